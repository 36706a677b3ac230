"""What the store does for the shared cache, each in one piece and one round trip, about one question.

A question has three keys in one place: its answer, its failure, and who asks an upstream about it just now.
"""

from typing import Final

from dohproxy.sharing.commands import Script

FRESH: Final = 0
FAILED: Final = 1
OURS: Final = 2
"""There is nothing fresh, and it is we who ask."""
THEIRS: Final = 3
"""There is nothing fresh, and somebody else asks."""
NOBODYS: Final = 4
"""There is nothing fresh, and the store has no room to note who asks."""

ANSWERED: Final = "a"
REMEMBERED: Final = "f"
NEITHER: Final = "n"

LOOK: Final = Script(
    """\
-- KEYS: answer, failure, who asks. ARGV: milliseconds that an answer must be fresh for at least, who looks, and for how
-- many milliseconds the question is theirs. Returns which of five cases it is, both values, and what is left of them.
local answer, left = redis.call('GET', KEYS[1]), 0
if answer then
  left = redis.call('PTTL', KEYS[1])
  local a, b, c, d = string.byte(answer, 1, 4)
  if d and left - (((a * 256 + b) * 256 + c) * 256 + d) > tonumber(ARGV[1]) then
    return {0, answer, left, false, 0}
  end
end
local failure = redis.call('GET', KEYS[2])
if failure then
  return {1, answer, left, failure, redis.call('PTTL', KEYS[2])}
end
local set = redis.pcall('SET', KEYS[3], ARGV[2], 'NX', 'PX', ARGV[3])
if not set then
  return {redis.call('GET', KEYS[3]) == ARGV[2] and 2 or 3, answer, left, false, 0}
end
return {set.err and 4 or 2, answer, left, false, 0}
"""
)

SETTLE: Final = Script(
    """\
-- KEYS: answer, failure, who asks. ARGV: who has asked, what came of it (a: an answer, f: a failure, n: neither), its
-- value, and for how many milliseconds it is kept.
local done = 1
if ARGV[2] == 'a' then
  done = redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  redis.call('DEL', KEYS[2])
elseif ARGV[2] == 'f' then
  done = redis.pcall('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
end
if redis.call('GET', KEYS[3]) == ARGV[1] then
  redis.call('DEL', KEYS[3])
end
return done
"""
)
