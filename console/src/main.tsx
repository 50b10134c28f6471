import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client.ts";
import "./design/base.css";
import { makeRouter } from "./router.tsx";
import { applyTheme } from "./shell/theme.ts";

applyTheme();

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // The live stream says what is old; focus and reconnects need no asking of their own.
      refetchOnWindowFocus: false,
      staleTime: 15_000,
      retry: (failures, error) =>
        failures < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
    },
  },
});
const router = makeRouter(client);

const root = document.getElementById("console");
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
