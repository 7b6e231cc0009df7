-- wrk: one interaction a POST, of a thousand contacts; keys are new each time.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("LAZO_TOKEN")
local n, run = 0, os.time()
request = function()
    n = n + 1
    return wrk.format(nil, nil, nil, string.format(
        '{"contact":{"external_id":"bench-%d"},"kind":"visit","occurred_at":"2026-10-%02dT10:11:12Z","amount":"%d.50","source":"wrk","key":"%d-%s-%d"}',
        n % 1000, 1 + n % 28, n % 500, run, tostring(wrk.thread):sub(-8), n))
end
done = function(summary)
    io.write(string.format("RESULT %d %d %d\n", summary.requests, summary.duration, summary.errors.status + summary.errors.read + summary.errors.timeout))
end
