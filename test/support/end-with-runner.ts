// A worker whose runner was killed would go on as long as its tests hold a server or a timer.
process.once('disconnect', () => process.exit(1))
