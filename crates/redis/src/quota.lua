-- One step on the record of a quota: compare and set, and the time. All that is decided is decided by the processes.
-- ARGV: nothing to read; or what was read (empty if nothing was there), the new record, how long it is kept in milliseconds,
-- and the time in microseconds after which nothing is written.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local record = redis.call('GET', KEYS[1]) or ''
if #ARGV == 4 and record == ARGV[1] and now <= tonumber(ARGV[4]) then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return {1}
end
return {0, time[1], time[2], record}
