//go:build !linux

package record

// syncData waits until the file is on the disk. Room cannot be reserved here.
func (f *diskFile) syncData() error { return f.File.Sync() }
