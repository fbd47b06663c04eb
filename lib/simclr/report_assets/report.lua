-- The one place where sections, figures, tables and equations get their numbers and where
-- @fig-x, @tbl-x, @eq-x and @sec-x become links, for HTML and Typst alike. What is wrong goes to
-- stderr, a line each, and ends pandoc.

local html = FORMAT:match 'html' ~= nil
local words = { fig = 'Figure', tbl = 'Table', eq = 'Equation', sec = 'Section' }
local names = {} -- identifier -> what a reference to it says
local problems = pandoc.List()

local function kind_of(id)
  local prefix = id:match '^(%a+)%-'
  return words[prefix] and prefix
end

local function define(id, name)
  if id == '' then return end
  if names[id] then problems:insert('label ' .. id .. ' is defined twice') end
  names[id] = name
end

-- 1. Numbers ----------------------------------------------------------------------------------

-- A paragraph's displayed equations become blocks of their own: {#eq-x} after one gives it a number.
local function split_equations(para, number)
  local blocks, line = pandoc.Blocks {}, pandoc.Inlines {}
  local function flush()
    while #line > 0 and (line[1].t == 'Space' or line[1].t == 'SoftBreak') do line:remove(1) end
    if #line > 0 then blocks:insert(pandoc.Para(line)) end
    line = pandoc.Inlines {}
  end
  local function flush_kept() -- no page break between a sentence and its equation
    flush()
    local last = blocks[#blocks]
    if last and last.t == 'Para' then blocks[#blocks] = pandoc.Div({ last }, { class = 'kept' }) end
  end
  local i, inlines = 1, para.content
  while i <= #inlines do
    local here = inlines[i]
    if here.t == 'Math' and here.mathtype == 'DisplayMath' then
      flush_kept()
      local tag = inlines[i + 1]
      if tag and (tag.t == 'Space' or tag.t == 'SoftBreak') then tag = inlines[i + 2] end
      local id = tag and tag.t == 'Str' and tag.text:match '^{#(eq%-[%w-]+)}$' or ''
      if id ~= '' then i = inlines[i + 1].t == 'Str' and i + 1 or i + 2 end
      local attributes = id ~= '' and { number = number(id) } or {}
      blocks:insert(pandoc.Div({ pandoc.Plain { here } }, pandoc.Attr(id, { 'equation' }, attributes)))
    else
      line:insert(here)
    end
    i = i + 1
  end
  flush()
  return blocks
end

local function number_all(blocks)
  local count = { fig = 0, tbl = 0, eq = 0 }
  local sections, numbered = { 0, 0, 0, 0, 0, 0 }, true
  local function next_number(id)
    local kind = kind_of(id)
    count[kind] = count[kind] + 1
    define(id, words[kind] .. '\u{a0}' .. count[kind])
    return tostring(count[kind])
  end
  return blocks:walk {
    traverse = 'topdown',
    Header = function(header)
      if header.level == 1 then numbered = not header.classes:includes 'unnumbered' end
      if not numbered or header.classes:includes 'unnumbered' then
        define(header.identifier, pandoc.utils.stringify(header))
        return nil
      end
      sections[header.level] = sections[header.level] + 1
      for deeper = header.level + 1, 6 do sections[deeper] = 0 end
      local number = table.concat(sections, '.', 1, header.level)
      header.attributes.number = number
      define(header.identifier, words.sec .. '\u{a0}' .. number)
      return header
    end,
    Div = function(div)
      if div.classes:includes 'figure' or div.classes:includes 'table' then
        div.attributes.number = next_number(div.identifier)
        return div
      end
    end,
    Para = function(para)
      local display = para.content:find_if(function(x) return x.mathtype == 'DisplayMath' end)
      if display then return split_equations(para, next_number), false end
    end,
  }
end

-- 2. References and citations -----------------------------------------------------------------

local function link_references(blocks)
  return blocks:walk {
    Cite = function(cite)
      local links = pandoc.Inlines {}
      for _, citation in ipairs(cite.citations) do
        if not kind_of(citation.id) then return nil end
        if not names[citation.id] then
          problems:insert('reference @' .. citation.id .. ' leads nowhere')
        end
        if #links > 0 then links:extend { pandoc.Str ',', pandoc.Space() } end
        links:insert(pandoc.Link(names[citation.id] or '', '#' .. citation.id))
      end
      return links
    end,
  }
end

local function check_citations(doc)
  local known = {}
  for _, reference in ipairs(pandoc.utils.references(doc)) do known[reference.id] = true end
  doc:walk {
    Cite = function(cite)
      for _, citation in ipairs(cite.citations) do
        if not known[citation.id] then
          problems:insert('citation @' .. citation.id .. ' is not in references.bib')
        end
      end
    end,
  }
end

-- 3. Shapes -----------------------------------------------------------------------------------

local function raw(text) return pandoc.RawBlock(html and 'html' or 'typst', text) end

-- The Div's caption, and what else it holds.
local function take_caption(div)
  local caption, rest = pandoc.Inlines {}, pandoc.Blocks {}
  for _, block in ipairs(div.content) do
    if block.classes and block.classes:includes 'caption' then
      caption = pandoc.utils.blocks_to_inlines(block.content)
    else
      rest:insert(block)
    end
  end
  return caption, rest
end

local shapes = {}

if html then
  local function label(word, number)
    return { pandoc.Span(word .. '\u{a0}' .. number .. '.', { class = 'number' }), pandoc.Space() }
  end

  function shapes.header(header)
    local number = header.attributes.number
    if not number then return nil end
    header.attributes.number = nil
    header.content = pandoc.Inlines { pandoc.Span(number, { class = 'number' }), pandoc.Space() }
      .. header.content
    return header
  end

  function shapes.figure(div)
    local caption = take_caption(div)
    local image = pandoc.Image(pandoc.Str(pandoc.utils.stringify(caption)), div.attributes.src, '',
      { width = div.attributes['css-width'], height = div.attributes['css-height'] })
    local class = div.classes:includes 'photo' and 'photo' or 'chart'
    caption = pandoc.Inlines(label('Figure', div.attributes.number)) .. caption
    local box = pandoc.Div({ pandoc.Plain { image } }, pandoc.Attr('', { 'scroll', 'picture' }))
    return pandoc.Figure({ box }, { long = { pandoc.Plain(caption) } },
      pandoc.Attr(div.identifier, { class }))
  end

  function shapes.table(div)
    local caption, rest = take_caption(div)
    rest = rest:walk { Table = function(t) -- the browser finds better widths than the source's
      t.colspecs = t.colspecs:map(function(spec) return { spec[1], nil } end)
      return t
    end }
    local id = div.identifier
    return pandoc.Blocks {
      raw('<figure class="table" id="' .. id .. '"><figcaption id="' .. id .. '-caption">'),
      pandoc.Plain(pandoc.Inlines(label('Table', div.attributes.number)) .. caption),
      raw('</figcaption><div class="scroll" role="region" tabindex="0" aria-labelledby="' .. id
        .. '-caption">'),
    } .. rest .. { raw '</div></figure>' }
  end

  function shapes.equation(div)
    local number = div.attributes.number
    div.attributes = {}
    local blocks = pandoc.Blocks { pandoc.Div(div.content, { class = 'scroll' }) }
    if number then
      blocks:insert(pandoc.Div(pandoc.Plain('(' .. number .. ')'), { class = 'number' }))
    end
    div.content = blocks
    return div
  end

  function shapes.code(div)
    local summary = div.classes:includes 'parameters' and 'Parameters' or 'Code'
    return pandoc.Blocks { raw('<details class="code"><summary>' .. summary .. '</summary>') }
      .. div.content .. { raw '</details>' }
  end

  function shapes.kept(div) return div.content end

  function shapes.front(blocks) return pandoc.Blocks { pandoc.Div(blocks, { class = 'front' }) } end
else
  local function typst(inlines)
    return (pandoc.write(pandoc.Pandoc { pandoc.Plain(inlines) }, 'typst-citations'):gsub('%s+$', ''))
  end
  local function quoted(text) return '"' .. text:gsub('[\\"]', '\\%0') .. '"' end
  local function call(name, arguments, body, id)
    local tag = id and id ~= '' and ' <' .. id .. '>' or ''
    return raw('#' .. name .. '(' .. table.concat(arguments, ', ') .. ')[' .. body .. ']' .. tag)
  end

  function shapes.header(header)
    local number = header.attributes.number
    return call('section', { header.level, number and quoted(number) or 'none' },
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
    local widest, aligns, columns, cells, total = {}, {}, {}, {}, 0
    local function row(list)
      for i, cell in ipairs(list) do
        local inlines = pandoc.utils.blocks_to_inlines(cell)
        widest[i] = math.max(widest[i] or 0, utf8.len(pandoc.utils.stringify(inlines)))
        cells[#cells + 1] = '[' .. typst(inlines) .. ']'
      end
    end
    row(simple.header)
    for _, line in ipairs(simple.rows) do row(line) end
    for _, width in ipairs(widest) do total = total + width + 3 end
    for i, width in ipairs(widest) do
      local prose = total > 95 and width > 16
      columns[i] = prose and math.max(3, math.floor(math.sqrt(width) + 0.5)) .. 'fr' or 'auto'
      aligns[i] = simple.aligns[i] == 'AlignRight' and 'right' or 'left'
    end
    return call('tabular', { quoted(div.attributes.number),
      '(' .. table.concat(columns, ', ') .. ',)', '(' .. table.concat(aligns, ', ') .. ',)',
      '(' .. table.concat(cells, ', ') .. ',)' }, typst(caption), div.identifier)
  end

  function shapes.equation(div)
    local number = div.attributes.number
    local tag = number and ' <' .. div.identifier .. '>' or ''
    return call('equation', { number and quoted(number) or 'none' },
      typst(div.content[1].content) .. tag)
  end

  function shapes.code() return {} end

  function shapes.kept(div)
    return pandoc.Blocks { raw '#block(sticky: true)[' } .. div.content .. { raw ']' }
  end

  function shapes.front(blocks)
    return pandoc.Blocks { raw '#front[' } .. blocks .. { raw ']', raw '#contents' }
  end
end

local function shape(blocks)
  return blocks:walk {
    Header = shapes.header,
    Div = function(div)
      for _, class in ipairs { 'figure', 'table', 'equation', 'code', 'kept' } do
        if div.classes:includes(class) then return shapes[class](div) end
      end
    end,
  }
end

function Pandoc(doc)
  doc.blocks = link_references(number_all(doc.blocks))
  check_citations(doc)
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
