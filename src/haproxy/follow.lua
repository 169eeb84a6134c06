-- A worker that was replaced answers HAProxy's own `set server` with "Proxy is disabled", and checks its servers no more. A
-- kept connection of before may bring it one more request all the same.
core.register_cli({ "deployer", "state" }, "deployer state <service> <server> ready|drain", function(applet, _, _, service, name, state)
  local backend = core.backends[service]
  local server = backend and backend.servers[name]
  if server == nil then
    applet:send("no such server\n")
    return
  end
  if state == "ready" then
    server:set_ready()
    server:check_force_up()
  else
    server:set_drain()
  end
  applet:send("done\n")
end)
