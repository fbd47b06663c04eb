-- The one place where sections, figures, tables and equations get their numbers and where
-- @fig-x, @tbl-x, @eq-x and @sec-x become links, for HTML and Typst alike. What is wrong goes to
-- stderr, a line each, and ends pandoc.

local html = FORMAT:match 'html' ~= nil
local words = { fig = 'Figure', tbl = 'Table', eq = 'Equation', sec = 'Section' }
local names, problems = {}, pandoc.List() -- names: identifier -> what a reference to it says

local function kind_of(id)
  local prefix = id:match '^(%a+)%-'
  return words[prefix] and prefix
end

local function define(id, name)
  if names[id] and id ~= '' then problems:insert('label ' .. id .. ' is defined twice') end
  names[id] = name
end

-- 1. Numbers ----------------------------------------------------------------------------------
local function is_display(inline) return inline.mathtype == 'DisplayMath' end

-- A displayed equation is a paragraph of its own: {#eq-x} after it gives it a number.
local function equation(para, number)
  local id
  for i = 2, #para.content do
    local here = para.content[i]
    id = here.t == 'Str' and here.text:match '^{#(eq%-[%w-]+)}$'
    if not id and here.t ~= 'Space' and here.t ~= 'SoftBreak' then
      problems:insert('a displayed equation shares its paragraph with other text')
      break
    end
  end
  local attributes = { class = 'equation', id = id, number = id and number(id) }
  return pandoc.Div({ pandoc.Plain { para.content[1] } }, attributes)
end

local function number_all(blocks)
  local count = { fig = 0, tbl = 0, eq = 0 }
  local sections, numbered, appendix = { 0, 0, 0, 0, 0, 0 }, true, false
  local function next_number(id)
    local kind = kind_of(id)
    count[kind] = count[kind] + 1
    define(id, words[kind] .. '\u{a0}' .. count[kind])
    return tostring(count[kind])
  end
  return blocks:walk {
    traverse = 'topdown',
    Header = function(header)
      local level = header.level
      if level == 1 then numbered = not header.classes:includes 'unnumbered' end
      if header.classes:includes 'appendix' and not appendix then -- A, B, C from here on
        appendix, sections[1] = true, 0
      end
      if not numbered or header.classes:includes 'unnumbered' then
        define(header.identifier, pandoc.utils.stringify(header))
        return nil
      end
      sections[level] = sections[level] + 1
      for deeper = level + 1, 6 do sections[deeper] = 0 end
      local parts = { table.unpack(sections, 1, level) }
      if appendix then parts[1] = string.char(64 + parts[1]) end
      header.attributes.number = table.concat(parts, '.')
      local word = (appendix and 'Appendix' or words.sec) .. '\u{a0}'
      define(header.identifier, word .. header.attributes.number)
      return header
    end,
    Div = function(div)
      local id = div.identifier
      if count[kind_of(id)] then
        div.attributes.number = next_number(id)
        div.attributes.place = appendix and 'none' or 'auto' -- an appendix has little text to float in
      end
      return div
    end,
    Para = function(para)
      if para.content[1] and is_display(para.content[1]) then return equation(para, next_number), false end
    end,
  }
end

-- 2. References and citations -----------------------------------------------------------------
local function link_references(doc)
  local known = {}
  for _, reference in ipairs(pandoc.utils.references(doc)) do known[reference.id] = true end
  return doc:walk {
    Cite = function(cite)
      local links, refers = pandoc.Inlines {}, kind_of(cite.citations[1].id)
      for _, citation in ipairs(cite.citations) do
        local id = citation.id
        if refers then
          if not names[id] then problems:insert('reference @' .. id .. ' leads nowhere') end
          if #links > 0 then links:extend { pandoc.Str ',', pandoc.Space() } end
          links:insert(pandoc.Link(names[id] or '', '#' .. id))
        elseif not known[id] then
          problems:insert('citation @' .. id .. ' is not in references.bib')
        end
      end
      return refers and links or nil
    end,
  }
end

-- 3. Shapes -----------------------------------------------------------------------------------
-- The caption, which comes first in a figure or table, and what comes after it.
function take_caption(div) -- global: what draws the shapes uses it
  local content = div.content
  return pandoc.utils.blocks_to_inlines(content:remove(1).content), content
end

local file = html and 'shapes-html.lua' or 'shapes-typst.lua'
local shapes = dofile(pandoc.path.join { pandoc.path.directory(PANDOC_SCRIPT_FILE), file })

local function shape(blocks)
  return blocks:walk {
    Header = shapes.header,
    Math = shapes.math,
    Div = function(div)
      local class = div.classes:find_if(function(name) return name ~= 'front' and shapes[name] end)
      if class then return shapes[class](div) end
    end,
  }
end

function Pandoc(doc)
  doc.blocks = number_all(doc.blocks)
  doc = link_references(doc)
  if #problems > 0 then
    for _, problem in ipairs(problems) do io.stderr:write(problem, '\n') end
    os.exit(1)
  end
  doc = pandoc.utils.citeproc(doc)
  -- What stands before the first numbered section: the abstract.
  local _, first = doc.blocks:find_if(function(b) return b.t == 'Header' and b.attributes.number end)
  local front, body = pandoc.Blocks {}, pandoc.Blocks {}
  for i, block in ipairs(doc.blocks) do (i < (first or 1) and front or body):insert(block) end
  doc.blocks = shapes.front(shape(front)) .. shape(body)
  return doc
end
