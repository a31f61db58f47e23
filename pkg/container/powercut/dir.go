package powercut

import (
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Dir is a directory of files. What is done to its names is durable once the directory
// is synced; until then any of it may be missing, and what was synced in a file without
// a name is gone. The zero Dir is an empty one.
type Dir struct {
	now     map[string]*Disk
	durable map[string]*Disk
	changes []change // since the last sync
}

// change is something that is done to names, in one piece.
type change struct {
	how string
	do  func(names map[string]*Disk)
}

// NewDir returns a directory with durable files.
func NewDir(files map[string][]byte) *Dir {
	d := &Dir{now: make(map[string]*Disk)}
	for name, b := range files {
		d.now[name] = NewDisk(b)
	}
	d.durable = maps.Clone(d.now)
	return d
}

// File returns the file that has a name now, or nil.
func (d *Dir) File(name string) *Disk { return d.now[name] }

func (d *Dir) change(how string, do func(names map[string]*Disk)) {
	if d.now == nil {
		d.now = make(map[string]*Disk)
	}
	do(d.now)
	d.changes = append(d.changes, change{how, do})
}

// Create makes an empty file.
func (d *Dir) Create(name string) *Disk {
	f := &Disk{}
	d.change("create "+name, func(names map[string]*Disk) { names[name] = f })
	return f
}

// Link gives a file another name.
func (d *Dir) Link(from, to string) error {
	f := d.now[from]
	if f == nil {
		return fmt.Errorf("link %s: %w", from, fs.ErrNotExist)
	}
	d.change("link "+to, func(names map[string]*Disk) { names[to] = f })
	return nil
}

// Rename gives a file another name in place of the one it has.
func (d *Dir) Rename(from, to string) error {
	f := d.now[from]
	if f == nil {
		return fmt.Errorf("rename %s: %w", from, fs.ErrNotExist)
	}
	d.change("rename "+to, func(names map[string]*Disk) {
		names[to] = f
		if names[from] == f {
			delete(names, from)
		}
	})
	return nil
}

// Remove takes a name away.
func (d *Dir) Remove(name string) error {
	if d.now[name] == nil {
		return fmt.Errorf("remove %s: %w", name, fs.ErrNotExist)
	}
	d.change("remove "+name, func(names map[string]*Disk) { delete(names, name) })
	return nil
}

// Sync makes the names durable, not what is in the files.
func (d *Dir) Sync() { d.durable, d.changes = maps.Clone(d.now), nil }

// Cut is what a directory holds after a power cut.
type Cut struct {
	Files map[string]State
	How   string // for the message of a test
}

// Cuts yields what a cut now can leave, so many times: nothing that is not durable, all
// of it, then others at random. Whoever asks before every sync has seen a cut at any
// moment: what was done since may be missing.
func (d *Dir) Cuts(random *rand.Rand, limit int) iter.Seq[Cut] {
	return func(yield func(Cut) bool) {
		for n := range limit {
			if !yield(d.cut(random, n)) {
				return
			}
		}
	}
}

func (d *Dir) cut(random *rand.Rand, n int) Cut {
	names := maps.Clone(d.durable)
	if names == nil {
		names = make(map[string]*Disk)
	}
	var how []string
	for _, c := range d.changes {
		if n == 1 || n > 1 && random.IntN(4) > 0 {
			c.do(names)
		} else {
			how = append(how, c.how+" is missing")
		}
	}
	state := Cut{Files: make(map[string]State)}
	content := make(map[*Disk]State) // that of a file with two names
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := names[name]
		s, ok := content[f]
		if !ok {
			kind := n
			if n > 1 {
				kind = random.IntN(limitKinds)
			}
			s = f.current().sample(random, kind)
			s.Durable, s.Epoch = int64(len(f.current().before)), len(f.epochs)-1
			content[f] = s
		}
		state.Files[name] = s
		how = append(how, name+": "+s.How)
	}
	state.How = strings.Join(how, "; ")
	return state
}

// limitKinds is enough for every kind of sample to come.
const limitKinds = 20
