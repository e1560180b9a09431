// Starts Swagger's page of the routes.
/** @type {any} */ (window).SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true });
