-- Answers at /.well-known/acme-challenge/ from the files that the operator's ACME client puts into a folder.

local PREFIX = "/.well-known/acme-challenge/"
local MOST_BYTES = 4096

local function read(path)
  -- The token is base64url (RFC 8555, section 8.3): no dot or slash ever gets into the name of the file.
  local token = path:sub(1, #PREFIX) == PREFIX and path:sub(#PREFIX + 1):match("^[A-Za-z0-9_-]+$")
  if not token or #token > 255 then return nil end
  local file = io.open("/challenges/" .. token, "rb")
  if file == nil then return nil end
  local content = file:read(MOST_BYTES + 1)
  file:close()
  if content == nil or #content > MOST_BYTES then return nil end
  return content
end

core.register_service("challenge", "http", function(applet)
  local isRead = applet.method == "GET" or applet.method == "HEAD"
  local content = isRead and read(applet.path)
  local body = content or "no such challenge\n"
  applet:set_status(content and 200 or 404)
  applet:add_header("content-type", content and "application/octet-stream" or "text/plain")
  applet:add_header("content-length", tostring(#body))
  applet:start_response()
  if applet.method ~= "HEAD" then applet:send(body) end
end)
