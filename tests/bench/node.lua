-- wrk: what post.lua sends, in the words of server.js, which is told the ids.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n, first, kind = 0, tonumber(os.getenv("FIRST_CONTACT")), os.getenv("KIND")
request = function()
    n = n + 1
    return wrk.format(nil, nil, nil, string.format(
        '{"contact_id":%d,"kind_id":%s,"occurred_at":"2026-10-%02dT10:11:12Z","amount":%d,"currency":"EUR","source":"node"}',
        first + n % 1000, kind, 1 + n % 28, (n % 500) * 100 + 50))
end
done = function(summary)
    io.write(string.format("RESULT %d %d %d\n", summary.requests, summary.duration, summary.errors.status + summary.errors.read + summary.errors.timeout))
end
