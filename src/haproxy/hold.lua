-- Requests of a service that is being replaced wait here, until it is there again or a limit is reached.
-- The list `virt@holds` says which services: only their requests come here.

local LONGEST_SLEEP_MS = 200
-- A hold that nobody has ended, because the daemon died, is none any more.
local LONGEST_HOLD_MS = 600 * 1000
-- One that has not been seen for so long has left: HAProxy ends the script of a visitor who goes away wherever it waits.
local LOST_MS = 2000
-- All at once they would overrun the queue that a container accepts connections from, and HAProxy would take it for dead. So
-- they leave one by one while the service has fewer requests at hand than this, and in any case in the rhythm they came in,
-- but not faster than one in so many milliseconds.
local MOST_AT_HAND = 100
local PACE_MS = 5
local MOST_AT_ONCE = 10

local holds = {}

local function now()
  local time = core.now()
  return time.sec * 1000 + time.usec // 1000
end

local function forget_lost(hold, at)
  for waiter, seen in pairs(hold.seen) do
    if at - seen > LOST_MS then
      hold.seen[waiter] = nil
      hold.waiting = hold.waiting - 1
    end
  end
end

local function at_hand(service)
  local sum = 0
  for _, server in pairs(core.backends[service].servers) do sum = sum + server:get_stats().scur end
  return sum
end

-- Whether one that waited may leave now that its hold is over.
local function may_leave(service, hold, at)
  if at - hold.counted >= PACE_MS then
    hold.counted = at
    hold.free = math.min(MOST_AT_HAND - at_hand(service), MOST_AT_ONCE)
  end
  if hold.free <= 0 then return false end
  hold.free = hold.free - 1
  return true
end

-- Waits for the end of a hold. Returns when that was, and whether the request may go on.
local function wait_in(hold, service, start)
  if hold.waiting >= hold.max then forget_lost(hold, start) end
  if hold.waiting >= hold.max then
    hold.refused = hold.refused + 1
    return start, false
  end

  local waiter = {}
  local latest = math.max(start - hold.began, hold.waiting * PACE_MS)
  hold.waiting = hold.waiting + 1
  hold.seen[waiter] = start
  local at, goes_on = start, true
  while at <= hold.till do
    local released = hold.released
    if released ~= nil and (at >= released + latest or may_leave(service, hold, at)) then break end
    if released == nil and at - start >= hold.ms then
      hold.refused = hold.refused + 1
      goes_on = false
      break
    end
    -- The more there are, the less often each looks: waking up is what many of them cost.
    core.msleep(math.min(5 + hold.waiting // 10, LONGEST_SLEEP_MS, hold.ms))
    at = now()
    if hold.seen[waiter] ~= nil then hold.seen[waiter] = at end
  end
  if hold.seen[waiter] ~= nil then
    hold.seen[waiter] = nil
    hold.waiting = hold.waiting - 1
  end
  if goes_on then hold.held = hold.held + 1 end
  return at, goes_on
end

core.register_action("hold", { "http-req" }, function(txn)
  local service = txn.f:be_name()
  local start = now()
  local hold = holds[service]
  if hold == nil or start > hold.till then return end
  txn:set_var("txn.hold", "held")
  local at, goes_on, last = start, true, nil
  -- Those that leave one hold may come into the next: the service is being replaced once more.
  while goes_on and hold ~= nil and hold ~= last and at <= hold.till do
    at, goes_on = wait_in(hold, service, at)
    last, hold = hold, holds[service]
  end
  if not goes_on then txn:set_var("txn.hold", "refused") end
  if at > start then txn:set_var("txn.waited", at - start) end
end, 0)

core.register_cli({ "deployer", "hold" }, "deployer hold <service> <ms> <max>", function(applet, _, _, service, ms, max)
  local at = now()
  local hold = holds[service]
  if hold == nil then
    hold = { began = at, waiting = 0, seen = {}, held = 0, refused = 0, counted = 0, free = 0 }
    holds[service] = hold
    core.add_acl("virt@holds", service)
  end
  hold.ms, hold.max = tonumber(ms), tonumber(max)
  hold.till = at + LONGEST_HOLD_MS
  applet:send("held\n")
end)

-- Answers with the numbers of those that waited and of those that got a 503.
core.register_cli({ "deployer", "release" }, "deployer release <service>", function(applet, _, _, service)
  local hold = holds[service]
  core.del_acl("virt@holds", service)
  holds[service] = nil
  if hold == nil then
    applet:send("none\n")
    return
  end
  hold.released = now()
  forget_lost(hold, hold.released)
  applet:send(string.format("%d %d\n", hold.held + hold.waiting, hold.refused))
end)

-- Answers with the services that are held.
core.register_cli({ "deployer", "holds" }, "deployer holds", function(applet)
  for service, hold in pairs(holds) do
    if now() <= hold.till then applet:send(service .. "\n") end
  end
end)
