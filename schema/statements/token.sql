-- Who asks: a token's organisation and role, by the token's SHA-256. Asked without an organisation.

-- name: token_find
SELECT org_id, token_id, role FROM token_find($1::bytea, $2::timestamptz)
