-- wrk: POSTs run requests whose inputs are all distinct, and checks every answer.
local number = 0
local wrong = 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrong_total = 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  number = number + 1
  return wrk.format(nil, nil, nil, '{"inputs": "input ' .. number .. '"}')
end

function response(status, headers, body)
  if status ~= 200 or not string.find(body, "Hello World", 1, true) then
    wrong_total = wrong_total + 1
  end
end

function done(summary, latency, requests)
  local bad = 0
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("wrong_total")
  end
  local errors = summary.errors
  bad = bad + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n@{"requests": %d, "seconds": %f, "wrong": %d, "p50_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
