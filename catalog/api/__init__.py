"""The HTTP API: routes by noun, RFC 9457 problems, idempotent POSTs, cursor pages. It only translates."""
