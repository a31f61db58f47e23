package amf

// table holds the values that references of one kind can name, in the order of
// their first bytes. A value that is still being read stands as Undefined.
type table []any

// reserve gives the value that begins now its index.
func (t *table) reserve() int {
	if len(*t) < MaxReferences {
		*t = append(*t, Undefined{})
		return len(*t) - 1
	}
	return MaxReferences
}

// complete puts v, read to its end, at the index that reserve returned.
func (t table) complete(index int, v any) {
	if index < len(t) {
		t[index] = v
	}
}

// resolve returns the value that a reference read at offset at names.
func (d *decoder) resolve(t table, index uint32, at int) any {
	if !d.known(index, len(t), at) {
		return nil
	}
	if d.repeat(t[index], d.depth, at); d.err != nil {
		return nil
	}
	return t[index]
}

// known reports whether a table of n entries has one with that index.
func (d *decoder) known(index uint32, n, at int) bool {
	switch {
	case index >= MaxReferences:
		d.fail("reference", at, ErrLimit, "index %d, limit %d", index, MaxReferences)
	case index >= uint32(n):
		d.fail("reference", at, nil, "index %d of %d", index, n)
	}
	return d.err == nil
}

// repeat charges v, which a reference at the given depth names, as if it were
// written out there: values that share parts grow with every level when they
// are walked or encoded, and tables of references must not hide that.
func (d *decoder) repeat(v any, depth, at int) {
	switch v := v.(type) {
	case Object, ECMAArray, TypedObject, StrictArray:
		if depth == MaxDepth {
			d.fail("reference", at, ErrLimit, "nested deeper than %d", MaxDepth)
		}
	case string:
		d.repeatBytes(len(v), at)
	case XML:
		d.repeatBytes(len(v), at)
	case []byte:
		d.repeatBytes(len(v), at)
	}
	if t, ok := v.(TypedObject); ok {
		d.repeatBytes(len(t.Class), at)
	}
	for _, p := range properties(v) {
		d.repeatBytes(len(p.Key), at)
		d.repeatElement(p.Value, depth, at)
	}
	if array, ok := v.(StrictArray); ok {
		for _, e := range array {
			d.repeatElement(e, depth, at)
		}
	}
}

// repeatElement charges v as an element of a repeated value.
func (d *decoder) repeatElement(v any, depth, at int) {
	if d.element(at); d.err == nil {
		d.repeat(v, depth+1, at)
	}
}

// repeatBytes charges n bytes of a string.
func (d *decoder) repeatBytes(n, at int) {
	if d.repeated += n; d.repeated > MaxRepeated {
		d.fail("reference", at, ErrLimit, "more than %d bytes repeated", MaxRepeated)
	}
}
