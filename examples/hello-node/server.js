const http = require("node:http");

const port = Number(process.env.PORT ?? 3000);
const server = http.createServer((request, response) => {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end("Hello from a container.\n");
});
server.listen(port, () => console.log(`listening on ${port}`));

// Docker asks with SIGTERM: finish what is being answered, then end.
process.on("SIGTERM", () => server.close());
