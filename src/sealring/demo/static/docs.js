// The API documentation: Swagger UI over this server's own description.
// After "Authorize" a request brings the token alone: with the cookies of the page's own session besides, it would have
// two credentials, which the server refuses (RFC 6750 §2).
const requestInterceptor = (request) => {
  if (request.headers?.Authorization) request.credentials = "omit";
  return request;
};
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, requestInterceptor });
