-- What report.lua numbered, as HTML: a function a kind of block.

local shapes = {}
local function raw(text) return pandoc.RawBlock('html', text) end

local function labelled(word, number, caption, id)
  local text = word .. '\u{a0}' .. number .. '.'
  local label = pandoc.Span(text, pandoc.Attr(id and id .. '-number' or '', { 'number' }))
  return pandoc.Plain(pandoc.Inlines { label, pandoc.Space() } .. caption)
end

function shapes.header(header)
  local number = header.attributes.number
  header.level = header.level + 1 -- the page's one h1 is the title
  if not number then return header end
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
-- true if the table is wide. Where most names of rows repeat the one above, the second column names them, too.
local function name_cells(table_)
  local rows, above, repeated = table_.bodies[1].body, nil, 0
  for _, row in ipairs(rows) do
    local name = pandoc.utils.stringify(row.cells[1].contents)
    if name == above then repeated = repeated + 1 end
    above = name
  end
  local total, names = 0, table_.head.rows[1].cells:map(function(cell)
    return pandoc.utils.stringify(cell.contents)
  end)
  for i, name in ipairs(names) do
    local widest = utf8.len(name)
    for _, row in ipairs(rows) do
      local cell = row.cells[i]
      cell.attributes['data-name'] = name
      if i == 2 and 2 * repeated > #rows then cell.classes:insert 'key' end
      widest = math.max(widest, utf8.len(pandoc.utils.stringify(cell.contents)))
      cell.contents = { pandoc.Plain { pandoc.Span(pandoc.utils.blocks_to_inlines(cell.contents)) } }
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

function shapes.front(blocks) return pandoc.Blocks { pandoc.Div(blocks, { class = 'front' }) } end

return shapes
