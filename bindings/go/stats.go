package labkit

// Stats is what became of everything recorded in this process. Whenever nothing
// is in progress,
//
//	Recorded = Acknowledged + Rejected + Queued + Dropped
//
// and Dropped is the sum of the fields whose names begin with Dropped.
type Stats struct {
	// Recorded checkpoints, whatever became of them.
	Recorded uint64
	// Acknowledged: the tracker has them.
	Acknowledged uint64
	// Rejected by the tracker, one by one.
	Rejected uint64
	// Queued: they wait, are in flight, or lie in the spool.
	Queued uint64
	// Dropped for any reason.
	Dropped uint64
	// DroppedQueueFull: as many checkpoints as the queue holds were waiting.
	DroppedQueueFull uint64
	// DroppedQueueBytes: as many bytes of long texts as may wait were waiting.
	DroppedQueueBytes uint64
	// DroppedShutDown: the client was shut down.
	DroppedShutDown uint64
	// DroppedExpired: too old for the tracker to accept.
	DroppedExpired uint64
	// DroppedRefused: the tracker refused the request as a whole, for good.
	DroppedRefused uint64
	// DroppedTooLarge: alone too large for the tracker.
	DroppedTooLarge uint64
	// DroppedWorkerLost: the background thread panicked while it held them.
	DroppedWorkerLost uint64
	// Trimmed keys of meta and other parts that were wrong and were left out;
	// their checkpoints went on.
	Trimmed uint64
	// Requests sent.
	Requests uint64
	// Retries: requests that had to be repeated.
	Retries uint64
	// WorkerRestarts: times the background thread panicked and started again.
	WorkerRestarts uint64
	// DroppedSpoolFull: the spool was full, and they were the oldest in it.
	DroppedSpoolFull uint64
	// DroppedSpoolLost: they were in the spool and could not be read again.
	DroppedSpoolLost uint64
	// Spooled: of those queued, the ones that are on disk; they survive a kill.
	Spooled uint64
	// Adopted checkpoints of dead processes, found in the spool and sent. They
	// are in none of the counts above.
	Adopted uint64
	// AdoptedLost: checkpoints of dead processes that were damaged, too old,
	// refused, or beyond the quota; an unreadable segment counts as one.
	AdoptedLost uint64
}

// Stats reads the statistics. It takes no lock.
func (c *Client) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	stats, status := nativeStats(c.handle)
	c.settle("stats", "", status)
	return stats
}

// Log takes the library's own messages since the last call: a tracker that went
// away and came back, rejections. It keeps the latest 64. What is there after
// New and Shutdown goes to the logger by itself.
func (c *Client) Log() []string {
	if c == nil {
		return nil
	}
	text, status := nativeDrainLog(c.handle)
	c.settle("log", "", status)
	return splitLines(text)
}
