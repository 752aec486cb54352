-- wrk: POSTs bodies that are all distinct, or those of a file in turn, and checks every answer.
--   wrk ... URL -- BODY EXPECT STATUS
-- BODY: text in which {n} stands for a number of its own (12 digits), or @FILE with a body per line.
local threads = {}
local requests = {}
local head, tail
local number, index = 0, 0
local expect, wanted_status

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrong_total, wrong_text = 0, ""
  wrk.method = "POST"
  expect, wanted_status = args[2], tonumber(args[3])
  number = os.time() % 100000 * 1000000
  if string.sub(args[1], 1, 1) == "@" then
    for line in io.lines(string.sub(args[1], 2)) do
      table.insert(requests, wrk.format(nil, nil, nil, line))
    end
    return
  end
  -- The number has a fixed width, so that the request is the same but for it.
  local mark = "{=========}{"
  local text = wrk.format(nil, nil, nil, (string.gsub(args[1], "{n}", mark, 1)))
  local from, to = string.find(text, mark, 1, true)
  if from then
    head, tail = string.sub(text, 1, from - 1), string.sub(text, to + 1)
  else
    requests[1] = text
  end
end

function request()
  if head then
    number = number + 1
    return head .. string.format("%012d", number) .. tail
  end
  index = index % #requests + 1
  return requests[index]
end

function response(status, headers, body)
  if status ~= wanted_status or not string.find(body, expect, 1, true) then
    wrong_total = wrong_total + 1
    wrong_text = status .. " " .. string.sub(body, 1, 300)
  end
end

function done(summary, latency, requests)
  local bad, text = 0, ""
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("wrong_total")
    text = thread:get("wrong_text")
  end
  local errors = summary.errors
  bad = bad + errors.connect + errors.read + errors.write + errors.timeout
  io.write("\n!" .. string.gsub(text, "%s", " "))
  io.write(string.format(
    '\n@{"requests": %d, "seconds": %f, "wrong": %d, "p50_ms": %f, "p95_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6, bad,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
