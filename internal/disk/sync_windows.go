package disk

// SyncDir does nothing: on Windows a directory cannot be synced, and NTFS logs the
// changes of its entries.
func SyncDir(string) error { return nil }
