const api = process.env.API ?? "http://localhost:8000";

export default {
  esbuild: { jsx: "automatic" },
  define: { API: JSON.stringify(api) },
};
