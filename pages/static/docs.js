// Starts the reference's renderer with everything switched off that would leave this server.
Scalar.createApiReference("#reference", {
  url: "/openapi.json",
  // The second is for reading the samples against another server; requests from this page go to this one alone.
  servers: [
    { url: `${location.origin}/api/v1`, description: "This server" },
    {
      url: "{server}/api/v1",
      description: "Another server",
      variables: { server: { default: "https://pay.example.com", description: "Where it is reached" } },
    },
  ],
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true },
  documentDownloadType: "direct",
  defaultOpenFirstTag: true,
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  authentication: { preferredSecurityScheme: "apiKey" },
  persistAuth: false,
  metaData: { title: "API reference · Penstock" },
});
