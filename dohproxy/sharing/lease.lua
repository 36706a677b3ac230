-- Who may use how much of each upstream's budget now, and what is kept of each node for that: the ledger.
--
-- KEYS[1]: a hash with a field "meta" and one for each node. KEYS[2]: a hash with what the nodes say of themselves.
-- ARGV[1]: what is to be done ("call", "leave", "forget", "roster"), ARGV[2]: what is told, in JSON. The reply is JSON.
-- `sharing/lease_script.py` writes the one and reads the other, docs/nodes.md says why this is safe.
--
-- Parts of a budget are fractions of it. Nothing here is decided by the server's clock but when a node is forgotten:
-- what a lease's end depends on is the order of the calls, and the caller's own clock, which alone knows how long ago
-- it sent them. `seq` numbers the calls of one epoch. An epoch ends when the ledger may have lost something.

local DAY_SECONDS = 86400  -- A node that has not called for so long is forgotten.
local STEP_SECONDS = 5  -- The clock is believed to have gone on by this at most between two calls.
local PROBE_SECONDS = 15  -- Who has begun to probe for all is given so long; then another one may.
local ROUNDING = 1e-6  -- In units.

local ledger, sheet = KEYS[1], KEYS[2]

local function run_of_server()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

local function seconds()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1e6
end

local function units(part, whole)
  return math.floor(part * whole + ROUNDING)
end

-- The base of a node that has 1/k: whole units. k = 0: it has none.
local function base_of(whole, k)
  if k == 0 then
    return 0
  end
  return math.floor(whole / k) / whole
end

-- What is never lent of a base: with it a node that has begun anew gets to work.
local function kept_of(whole, k)
  if k == 0 or whole < k then
    return 0
  end
  return math.max(1, math.floor(math.floor(whole / k) / 4)) / whole
end

-- The larger of two bases 1/k.
local function larger_base(one, other)
  if one == 0 or other == 0 then
    return math.max(one, other)
  end
  return math.min(one, other)
end

local function read_ledger(nonce)
  local all = redis.call('HGETALL', ledger)
  local meta, nodes, standings = nil, {}, {}
  for i = 1, #all, 2 do
    local field, value = all[i], cmsgpack.unpack(all[i + 1])
    if field == 'meta' then
      meta = value
    elseif string.sub(field, 1, 9) == 'standing ' then
      standings[string.sub(field, 10)] = value
    else
      nodes[field] = value
    end
  end
  local run = run_of_server()
  if not meta or meta.run ~= run then
    -- It is empty, or what another server had when it was copied, or this one when it was saved.
    if #all > 0 then
      redis.call('DEL', ledger)
    end
    meta, nodes = { run = run, epoch = nonce, seq = 0, age = 0, clock = seconds(), forgotten = 0 }, {}
    standings = {}
  end
  local now = seconds()
  meta.age = meta.age + math.min(math.max(now - meta.clock, 0), STEP_SECONDS)
  meta.clock = now
  return meta, nodes, standings
end

local function write(meta, id, node)
  if node then
    redis.call('HSET', ledger, 'meta', cmsgpack.pack(meta), id, cmsgpack.pack(node))
  else
    redis.call('HSET', ledger, 'meta', cmsgpack.pack(meta))
  end
  redis.call('EXPIRE', ledger, DAY_SECONDS)
  redis.call('EXPIRE', sheet, DAY_SECONDS)
end

local function forget_the_old(meta, nodes, standings)
  for digest, standing in pairs(standings) do
    if meta.age - standing.age >= DAY_SECONDS then
      redis.call('HDEL', ledger, 'standing ' .. digest)
      standings[digest] = nil
    end
  end
  local known = 0
  for id, node in pairs(nodes) do
    if meta.age - node.age >= DAY_SECONDS then
      redis.call('HDEL', ledger, id)
      redis.call('HDEL', sheet, id)
      nodes[id] = nil
    else
      known = known + 1
    end
  end
  return known
end

-- What `caller` can know of another node: that a lease of its last call is over, and that it has called since.
local function is_over(node, caller)
  return node.left or (caller.over > 0 and node.seq < caller.over)
end

local function is_fresh(node, caller)
  return not node.left and caller.fresh > 0 and node.memory >= caller.fresh
end

-- What the caller can know of the others, once for all budgets.
local function seen_by(caller, nodes)
  local others = {}
  for id, node in pairs(nodes) do
    if id ~= caller.id then
      others[#others + 1] = {
        k = larger_base(node.k, node.offer), budgets = node.budgets, is_over = is_over(node, caller),
        is_fresh = is_fresh(node, caller),
      }
    end
  end
  return others
end

-- What is wanted beside what is kept: by members, and by others beside that.
local function needs(want, kept)
  local first = math.max(0, math.min(1, want.members) - kept)
  return first, math.max(0, math.min(1, want.members + want.others) - kept - first)
end

-- What is due of `room`: members' needs first, then the others', each in proportion, and the rest evenly.
local function due(room, first, second, members, rest, count)
  room = math.max(0, room)
  if members >= room then
    return members > 0 and room * first / members or 0
  end
  room = room - members
  if rest >= room then
    return first + (rest > 0 and room * second / rest or 0)
  end
  return first + second + (room - rest) / count
end

-- What the caller is granted of a budget: what is due to it, as far as nobody else may be using it.
local function grant(caller, budget, others, absent)
  local whole, k = budget.whole, larger_base(caller.k, caller.offer)
  if k == 0 then
    return 0, whole -- Without a base it may have nothing in flight.
  end
  local own_base, own_kept = base_of(whole, k), kept_of(whole, k)
  local own_first, own_second = needs(budget, own_kept)
  local members, rest, count = own_first, own_second, 1
  local free, room = 1 - absent, 1 - absent - own_kept
  for i = 1, #others do
    local other = others[i]
    local held = other.budgets[budget.digest]
    local base = base_of(held and held.whole or budget.whole, other.k)
    if not held or other.is_over then
      free, room = free - base, room - base
    else
      local kept, most = kept_of(held.whole, other.k), math.max(held.used, held.granted)
      free, room = free - math.max(most, other.is_fresh and kept or base), room - kept
      local first, second = needs(held, kept)
      members, rest, count = members + first, rest + second, count + 1
    end
    if held and held.whole < whole then
      whole = held.whole
    end
  end
  -- What it uses of its base is its own in any case: nobody was granted that.
  local own = units(math.min(budget.used, own_base), whole)
  local wanted = own_kept + due(room, own_first, own_second, members, rest, count)
  wanted = math.ceil(wanted * whole - ROUNDING)
  return math.max(0, math.min(wanted, math.max(units(math.max(0, free), whole), own))), whole
end

-- The base that is offered to the caller: 1 / the most nodes there are, or less where the others leave less room.
local function offer(caller, most, nodes, unknown, expected)
  local room = 1 - unknown / expected
  for id, node in pairs(nodes) do
    local k = larger_base(node.k, node.offer)
    if id ~= caller.id and k > 0 then
      room = room - 1 / k
    end
  end
  local k = room > ROUNDING and math.ceil(1 / room - ROUNDING) or 0
  if caller.k > 0 and (k == 0 or k > caller.k) then
    k = caller.k
  end
  return k > 0 and math.max(k, most) or 0
end

local function expected_of(caller, nodes)
  local least, most, told = caller.expected, caller.expected, caller.most
  for id, node in pairs(nodes) do
    if id ~= caller.id and not is_over(node, caller) then
      least, most = math.min(least, node.expected), math.max(most, node.expected)
      told = math.max(told, node.most)
    end
  end
  return least, math.max(most, told)
end

-- Tell whether the ledger has forgotten a call of this caller whose reply came.
local function has_lost(meta, node, told)
  if told.seq == 0 or told.epoch ~= meta.epoch then
    return false
  end
  return told.seq > meta.seq or not node or (node.instance == told.instance and node.seq < told.seq)
end

-- Tell whether the name is another's, who may still be at work.
local function is_taken(node, told)
  if not node or node.instance == told.instance or node.instance == told.succeeds then
    return false
  end
  return not is_over(node, told)
end

-- What upstreams have shown to one node is told to the others: the caller's news is kept, and it hears what is new to it.
local function exchange(told, meta, standings)
  for _, one in ipairs(told.news or {}) do
    local standing = { seq = meta.seq, age = meta.age, node = told.id, text = one[2] }
    standings[one[1]] = standing
    redis.call('HSET', ledger, 'standing ' .. one[1], cmsgpack.pack(standing))
  end
  local news = {}
  for digest, standing in pairs(standings) do
    if standing.text and standing.seq > told.heard and standing.node ~= told.id then
      news[#news + 1] = { digest, standing.text, meta.age - standing.age }
    end
  end
  return news
end

-- Of all nodes that want to see whether an upstream is back, one may.
local function allow_probes(told, meta, standings)
  local allowed = {}
  for i, digest in ipairs(told.probes or {}) do
    local standing = standings[digest] or { seq = 0, age = meta.age }
    local is_free = not standing.prober or standing.prober == told.id or meta.age - standing.probed >= PROBE_SECONDS
    if is_free then
      standing.prober, standing.probed = told.id, meta.age
      standings[digest] = standing
      redis.call('HSET', ledger, 'standing ' .. digest, cmsgpack.pack(standing))
    end
    allowed[i] = is_free
  end
  return allowed
end

local function answer_call(told)
  local meta, nodes, standings = read_ledger(told.nonce)
  local node = nodes[told.id]
  if has_lost(meta, node, told) then
    redis.call('DEL', ledger)
    meta.epoch, meta.seq = told.nonce, 0
    node, nodes, standings = nil, {}, {}
  end
  if told.epoch ~= meta.epoch then
    told.seq, told.memory, told.fresh, told.over = 0, 0, 0, 0
    told.heard = 0
  end
  if node and node.instance == told.instance and told.number <= node.number then
    return { old = true }
  end
  meta.seq = meta.seq + 1
  if is_taken(node, told) then
    write(meta)
    return { epoch = meta.epoch, seq = meta.seq, taken = true, known = 0, forgotten = meta.forgotten, k = 0 }
  end
  local known = forget_the_old(meta, nodes, standings)
  known = nodes[told.id] and known or known + 1
  local expected, most = expected_of(told, nodes)
  most = math.max(most, known)
  local unknown = most - known
  told.offer = 0
  told.offer = offer(told, most, nodes, unknown, expected)
  local record = {
    instance = told.instance, number = told.number, seq = meta.seq, memory = told.memory, k = told.k,
    offer = told.offer, expected = told.expected, most = told.most, age = meta.age, clock = meta.clock, budgets = {},
  }
  local grants, others = {}, seen_by(told, nodes)
  for i, one in ipairs(told.budgets) do
    local budget = { digest = one[1], whole = one[2], used = one[3], members = one[4], others = one[5] }
    local granted, whole = grant(told, budget, others, unknown / expected)
    grants[i] = { granted, whole }
    record.budgets[budget.digest] = {
      whole = budget.whole, used = budget.used, granted = granted / whole, members = budget.members,
      others = budget.others,
    }
  end
  write(meta, told.id, record)
  if told.about then
    redis.call('HSET', sheet, told.id, told.about)
  end
  return {
    epoch = meta.epoch, seq = meta.seq, known = known, forgotten = meta.forgotten, k = told.offer, grants = grants,
    news = exchange(told, meta, standings), probes = allow_probes(told, meta, standings),
  }
end

-- A node ends: of what it has been granted nothing is in use any more.
local function leave(told)
  local meta, nodes = read_ledger(told.nonce)
  local node = nodes[told.id]
  if not node or node.instance ~= told.instance or told.number <= node.number then
    return { left = false }
  end
  node.number, node.left = told.number, true
  write(meta, told.id, node)
  return { left = true }
end

-- The operator says that a node will not come back.
local function forget(told)
  local meta, nodes = read_ledger(told.nonce)
  local node = nodes[told.id]
  if not node then
    return { known = false }
  end
  if not node.left and meta.clock - node.clock < told.silent then
    return { known = true, alive = true }
  end
  redis.call('HDEL', ledger, told.id)
  redis.call('HDEL', sheet, told.id)
  meta.forgotten = meta.forgotten + 1
  write(meta)
  return { known = true, alive = false }
end

local function roster(told)
  local meta, nodes = read_ledger(told.nonce)
  local rows = {}
  for id, node in pairs(nodes) do
    local parts = {}
    for digest, held in pairs(node.budgets) do
      parts[digest] = math.max(held.used, held.granted)
    end
    rows[#rows + 1] = {
      id = id, about = redis.call('HGET', sheet, id) or nil, silent = math.max(0, meta.clock - node.clock),
      left = node.left or false, k = larger_base(node.k, node.offer), parts = parts,
    }
  end
  return { nodes = rows }
end

local verbs = { call = answer_call, leave = leave, forget = forget, roster = roster }
return cjson.encode(verbs[ARGV[1]](cjson.decode(ARGV[2])))
