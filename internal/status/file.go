package status

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
)

const (
	writeEvery = time.Second
	filePerm   = 0o644
)

// File keeps the state of a server in a file, as JSON, until it is stopped. A
// reader sees a whole snapshot at any time. Errors are logged and disturb nothing.
type File struct {
	path    string
	sampler *Sampler
	log     zerolog.Logger
	task    *task
	failing bool // owned by the task
}

// CheckFile returns an error if a file cannot be written. It leaves nothing behind.
func CheckFile(path string) error {
	w, err := createBeside(path)
	if err != nil {
		return err
	}
	return errors.Join(w.Close(), os.Remove(w.Name()))
}

// WriteFile starts to write a file.
func WriteFile(path string, sampler *Sampler, log zerolog.Logger) *File {
	f := &File{path: path, sampler: sampler, log: log}
	f.task = startTask(writeEvery, func(time.Time) { f.update(sampler.Snapshot()) })
	return f
}

// Stop writes the file a last time, with the state Stopped.
func (f *File) Stop() {
	f.task.stop()
	snap := f.sampler.Snapshot()
	snap.State = Stopped
	f.update(snap)
}

// update writes a snapshot. The first error of a series is logged.
func (f *File) update(snap Snapshot) {
	err := f.write(snap)
	switch {
	case err != nil && !f.failing:
		f.log.Error().Err(err).Msg("cannot write the status file: trying again each second")
	case err == nil && f.failing:
		f.log.Info().Str("path", f.path).Msg("the status file is written again")
	}
	f.failing = err != nil
}

func (f *File) write(snap Snapshot) error {
	text, err := json.Marshal(&snap)
	if err != nil {
		return err
	}
	return ReplaceFile(f.path, append(text, '\n'))
}

// ReplaceFile replaces a file in one step. What a kill leaves beside it has a fixed
// name and goes with the next call. Nothing is synced: what is written here is of
// little use after a power cut.
func ReplaceFile(path string, data []byte) error {
	w, err := createBeside(path)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	if err = errors.Join(err, w.Close()); err == nil {
		err = os.Rename(w.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(w.Name()))
	}
	return nil
}

// createBeside creates what takes the place of a file once it is written.
func createBeside(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "replace", Path: path, Err: errors.New("not a regular file")}
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// Not through a link that somebody else put there.
	return os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
}
