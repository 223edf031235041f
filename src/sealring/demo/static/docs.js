// The API documentation: Swagger UI over this server's own description.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true });
