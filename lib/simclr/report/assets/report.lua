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

-- A paragraph's displayed equations become blocks of their own: {#eq-x} after one gives it a number.
local function split_equations(para, number)
  local blocks, line = pandoc.Blocks {}, pandoc.Inlines {}
  local function flush(class)
    local para = #line > 0 and pandoc.Para(line)
    if para then blocks:insert(class and pandoc.Div({ para }, { class = class }) or para) end
    line = pandoc.Inlines {}
  end
  for _, here in ipairs(para.content) do
    local id = here.t == 'Str' and here.text:match '^{#(eq%-[%w-]+)}$'
    if is_display(here) then
      flush 'kept' -- no page break between a sentence and its equation
      blocks:insert(pandoc.Div({ pandoc.Plain { here } }, { class = 'equation' }))
    elseif id and #line == 0 and #blocks > 0 then
      blocks[#blocks].identifier, blocks[#blocks].attributes.number = id, number(id)
    elseif #line > 0 or here.t ~= 'Space' and here.t ~= 'SoftBreak' then
      line:insert(here)
    end
  end
  flush()
  return blocks
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
      if count[kind_of(id)] then div.attributes.number = next_number(id) end
      return div
    end,
    Para = function(para)
      if para.content:find_if(is_display) then return split_equations(para, next_number), false end
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
local function raw(text) return pandoc.RawBlock(html and 'html' or 'typst', text) end

-- The caption, which comes first in a figure or table, and what comes after it.
local function take_caption(div)
  local content = div.content
  return pandoc.utils.blocks_to_inlines(content:remove(1).content), content
end

local shapes = {}

if html then
  local function labelled(word, number, caption, id)
    local text = word .. '\u{a0}' .. number .. '.'
    local label = pandoc.Span(text, pandoc.Attr(id and id .. '-number' or '', { 'number' }))
    return pandoc.Plain(pandoc.Inlines { label, pandoc.Space() } .. caption)
  end

  function shapes.header(header)
    local number = header.attributes.number
    if not number then return nil end
    header.attributes.number = nil
    header.content:insert(1, pandoc.Span(number, { class = 'number' }))
    header.content:insert(2, pandoc.Space())
    return header
  end

  function shapes.figure(div)
    local caption, id = take_caption(div), div.identifier
    local class = div.classes:includes 'photo' and 'photo' or 'chart'
    local box = '<div class="picture" role="img" aria-labelledby="ID-number"><!--ID--></div>'
    return pandoc.Figure({ raw((box:gsub('ID', id))) },
      { long = { labelled('Figure', div.attributes.number, caption, id) } }, pandoc.Attr(id, { class }))
  end

  -- Give each cell the name of its column, for phones, where a wide table is shown as a card a row;
  -- true if the table is wide.
  local function name_cells(table_)
    local total, names = 0, table_.head.rows[1].cells:map(function(cell)
      return pandoc.utils.stringify(cell.contents)
    end)
    for i, name in ipairs(names) do
      local widest = utf8.len(name)
      for _, row in ipairs(table_.bodies[1].body) do
        local cell = row.cells[i]
        cell.attributes['data-name'] = name
        widest = math.max(widest, utf8.len(pandoc.utils.stringify(cell.contents)))
      end
      total = total + widest + 2
    end
    return total > 42
  end

  function shapes.table(div)
    local caption, rest = take_caption(div)
    -- the browser finds better widths than the source's
    rest[1].colspecs = rest[1].colspecs:map(function(spec) return { spec[1], nil } end)
    local cards = name_cells(rest[1]) and ' cards' or ''
    local head = '<figure class="table' .. cards .. '" id="ID"><figcaption id="ID-caption">'
    local box = '</figcaption><div class="scroll" role="region" tabindex="0" aria-labelledby="ID-caption">'
    local function with_id(text) return raw((text:gsub('ID', div.identifier))) end
    return pandoc.Blocks { with_id(head), labelled('Table', div.attributes.number, caption),
      with_id(box) } .. rest .. { raw '</div></figure>' }
  end

  function shapes.equation(div)
    local number, content = div.attributes.number, { pandoc.Div(div.content, { class = 'scroll' }) }
    if number then content[2] = pandoc.Div(pandoc.Plain('(' .. number .. ')'), { class = 'number' }) end
    return pandoc.Div(content, pandoc.Attr(div.identifier, { 'equation' }))
  end

  function shapes.code(div)
    local summary = pandoc.Plain(div.attributes.summary)
    return pandoc.Blocks { raw '<details class="code"><summary>', summary, raw '</summary>' }
      .. div.content .. { raw '</details>' }
  end

  function shapes.kept(div) return div.content end
  shapes.screen = shapes.kept
  function shapes.front(blocks) return pandoc.Blocks { pandoc.Div(blocks, { class = 'front' }) } end
else
  local function typst(inlines)
    return (pandoc.write(pandoc.Pandoc { pandoc.Plain(inlines) }, 'typst-citations'):gsub('%s+$', ''))
  end
  local function quoted(text) return text and '"' .. text:gsub('[\\"]', '\\%0') .. '"' or 'none' end
  local function list(items) return '(' .. table.concat(items, ', ') .. ',)' end
  local function call(name, arguments, body, id)
    local tag = (id or '') ~= '' and ' <' .. id .. '>' or ''
    return raw('#' .. name .. '(' .. table.concat(arguments, ', ') .. ')[' .. body .. ']' .. tag)
  end
  local function around(before, blocks) return pandoc.Blocks { raw(before) } .. blocks .. { raw ']' } end

  function shapes.header(header)
    return call('section', { header.level, quoted(header.attributes.number) },
      typst(header.content), header.identifier)
  end

  function shapes.figure(div)
    local caption, a = take_caption(div), div.attributes
    return call('picture', { quoted(a.number), quoted(a.src), a.width .. 'pt',
      quoted(pandoc.utils.stringify(caption)) }, typst(caption), div.identifier)
  end

  -- Columns of short cells are as wide as they need be, columns of prose share what is left.
  function shapes.table(div)
    local caption, rest = take_caption(div)
    local simple = pandoc.utils.to_simple_table(rest[1])
    local widest, aligns, columns, cells, total = {}, {}, {}, {}, 0 -- widths in characters
    for _, row in ipairs { simple.header, table.unpack(simple.rows) } do
      for i, cell in ipairs(row) do
        local inlines = pandoc.utils.blocks_to_inlines(cell)
        widest[i] = math.max(widest[i] or 0, utf8.len(pandoc.utils.stringify(inlines)))
        cells[#cells + 1] = '[' .. typst(inlines) .. ']'
      end
    end
    for _, width in ipairs(widest) do total = total + width + 3 end
    for i, width in ipairs(widest) do
      local prose = total > 95 and width > 16
      columns[i] = prose and math.max(3, math.floor(math.sqrt(width) + 0.5)) .. 'fr' or 'auto'
      aligns[i] = simple.aligns[i] == 'AlignRight' and 'right' or 'left'
    end
    return call('tabular', { quoted(div.attributes.number), list(columns), list(aligns), list(cells) },
      typst(caption), div.identifier)
  end

  function shapes.equation(div)
    local number = div.attributes.number
    local tag = number and ' <' .. div.identifier .. '>' or ''
    return call('equation', { quoted(number) }, typst(div.content[1].content) .. tag)
  end

  function shapes.code() return {} end
  shapes.screen = shapes.code
  function shapes.kept(div) return around('#block(sticky: true)[', div.content) end
  function shapes.different(div) return around('#different[', div.content) end
  function shapes.references(div) return around('#text(9.2pt)[', div.content) end
  function shapes.front(blocks) return around('#front[', blocks) .. { raw '#contents' } end
end

local function shape(blocks)
  return blocks:walk {
    Header = shapes.header,
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
