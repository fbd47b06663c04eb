-- What report.lua numbered, as calls of the functions in report.typst: a function a kind of block.

local shapes = {}
local function raw(text) return pandoc.RawBlock('typst', text) end

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
  local section = call('section', { header.level, quoted(header.attributes.number) },
    typst(header.content), header.identifier)
  return header.identifier == 'sec-further' and { raw '#show: one-column', section } or section
end

function shapes.figure(div)
  local caption, a = take_caption(div), div.attributes
  return call('picture', { quoted(a.number), quoted(a.src), a.width .. 'pt',
    quoted(pandoc.utils.stringify(caption)), a.place }, typst(caption), div.identifier)
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
  return call('tabular', { quoted(div.attributes.number), list(columns), list(aligns), list(cells), div.attributes.place },
    typst(caption), div.identifier)
end

-- Its source is the alternative text, as PDF/UA asks for one.
function shapes.math(math)
  local block = tostring(math.mathtype == 'DisplayMath')
  return pandoc.RawInline('typst', '#math.equation(block: ' .. block .. ', alt: ' .. quoted(math.text)
    .. ', (' .. typst { math } .. ').body)')
end

function shapes.equation(div)
  local number = div.attributes.number
  local tag = number and ' <' .. div.identifier .. '>' or ''
  return call('equation', { quoted(number) }, typst(div.content[1].content) .. tag)
end

function shapes.code() return {} end
shapes.screen = shapes.code
function shapes.different(div) return around('#different[', div.content) end
function shapes.references(div) return around('#text(9.2pt)[', div.content) end
function shapes.front(blocks) return around('#front[', blocks) .. { raw '#contents', raw '#show: two-columns' } end

return shapes
