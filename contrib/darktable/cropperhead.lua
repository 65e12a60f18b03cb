--[[
Suggested crops in darktable: select photos in the lighttable, then press "suggest crops" in the module
"actions on selection". CropperHead writes the crops into the photos' sidecars, and darktable reads them
again. Photos that you have cropped yourself stay as they are.

Installation: README.md beside this file. Needs darktable 4.2 or newer, built with Lua.
]]

local dt = require "darktable"

local cropperhead = {}
local NAME, LABEL = "cropperhead", "suggest crops"
local FILES_AT_ONCE = 200 -- a command line holds some thousands of characters at least

dt.preferences.register(
  NAME, "command", "string", "CropperHead: command",
  "how CropperHead is started, such as /home/me/.local/bin/cropperhead", "cropperhead"
)
dt.preferences.register(
  NAME, "options", "string", "CropperHead: further options of suggest",
  "such as --aspect 4:5 or --model /home/me/models/model.tflite", ""
)

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function path_of(image)
  return image.path .. "/" .. image.filename
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function content_of(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local content = file:read("a")
  file:close()
  return content
end

-- Into darktable's log: `darktable -d lua` shows all of it, and errors are always shown.
local function log(text, is_error)
  local write = is_error and dt.print_error or dt.print_log
  for line in text:gmatch("[^\r\n]+") do write(NAME .. ": " .. line) end
end

-- Why a photo's sidecar must not be replaced, or nil. darktable's database may know edits that no
-- sidecar holds, and reading the sidecar again would lose them.
local function problem_of(image)
  if image.duplicate_index > 0 then
    return "is a duplicate; only the first version gets a crop"
  end
  if #image:get_group_members() > 1 then
    for _, other in ipairs(image:get_group_members()) do
      if other.duplicate_index > 0 and path_of(other) == path_of(image) then
        return "has duplicates, which reading it again would lose"
      end
    end
  end
  if image.is_altered and not exists(image.sidecar) then
    return "has edits, but no sidecar; write its sidecar first"
  end
  return nil
end

-- Lets darktable read a photo's sidecar again.
local function reload(image)
  local done = pcall(function() image:apply_sidecar(image.sidecar) end) -- darktable 5.2 and newer
  if not done then
    local path = path_of(image)
    image:delete() -- from the database, not from the disk
    dt.database.import(path)
  end
end

-- Runs CropperHead on photos; its exit status, and all that it printed.
local function run(images)
  local output = os.tmpname()
  local words = { dt.preferences.read(NAME, "command", "string"), "suggest", "--write", "darktable" }
  local options = dt.preferences.read(NAME, "options", "string")
  if options ~= "" then table.insert(words, options) end
  for _, image in ipairs(images) do table.insert(words, quoted(path_of(image))) end
  local status = dt.control.execute(table.concat(words, " ") .. " > " .. quoted(output) .. " 2>&1")
  local printed = content_of(output) or ""
  os.remove(output)
  return status, printed
end

--- Suggests crops for photos. Returns how many were written, skipped by this script, and the last error.
function cropperhead.suggest(images)
  if dt.preferences.read("darktable", "write_sidecar_files", "string") == "never" then
    local reason = "darktable writes no sidecars; see preferences > storage > XMP"
    dt.print(LABEL .. ": " .. reason)
    log(reason, true)
    return 0, #images, reason
  end
  local usable, skipped = {}, 0
  for _, image in ipairs(images) do
    local problem = problem_of(image)
    if problem then
      skipped = skipped + 1
      log(path_of(image) .. ": " .. problem, true)
    else
      table.insert(usable, image)
    end
  end
  local written, failure = 0, nil
  for first = 1, #usable, FILES_AT_ONCE do
    local batch, before = {}, {}
    for place = first, math.min(first + FILES_AT_ONCE - 1, #usable) do
      table.insert(batch, usable[place])
      table.insert(before, content_of(usable[place].sidecar) or "")
    end
    local status, printed = run(batch)
    log(printed, status ~= 0)
    if status ~= 0 then failure = printed:match("([^\r\n]+)%s*$") or ("exit status " .. status) end
    for place, image in ipairs(batch) do
      if (content_of(image.sidecar) or "") ~= before[place] then
        reload(image)
        written = written + 1
      end
    end
  end
  local summary = written .. " crops suggested, " .. (#images - written) .. " photos as they were"
  dt.print(LABEL .. ": " .. (failure or summary))
  return written, skipped, failure
end

dt.gui.libs.image.register_action(
  NAME, LABEL,
  function(_, images) cropperhead.suggest(images) end,
  "let CropperHead suggest a crop for each selected photo"
)

return cropperhead
