package amf

// traits is what AMF3 objects of one class share (AMF3 3.12).
type traits struct {
	class   string
	dynamic bool // names and values follow the sealed ones
	sealed  []string
}

// The bits of an object's header above the lowest (AMF3 3.12).
const (
	traitsInlined        = 1 << 0
	traitsExternalizable = 1 << 1
	traitsDynamic        = 1 << 2
	traitsCountShift     = 3
)

// object3 reads an object whose header, less its lowest bit, is flags.
func (d *decoder) object3(flags uint32, at int) any {
	t := d.traitsOf(flags, at)
	var object Object
	for _, name := range t.sealed {
		if v := d.value3(); d.keep(v) {
			object = append(object, Property{Key: name, Value: v})
		}
		if d.err != nil {
			break
		}
	}
	if t.dynamic && d.err == nil {
		object = d.pairs3(object)
	}
	if t.class == "" {
		return object
	}
	return TypedObject{Class: t.class, Object: object}
}

// traitsOf returns the traits that an object's header refers to or begins.
func (d *decoder) traitsOf(flags uint32, at int) (t traits) {
	if flags&traitsInlined == 0 {
		index := flags >> 1
		if !d.known(index, len(d.traits), at) {
			return t
		}
		t = d.traits[index]
		d.repeatBytes(len(t.class), at)
		for _, name := range t.sealed {
			d.repeatBytes(len(name), at)
		}
		return t
	}
	t.class = d.string3("class name", MaxString)
	if flags&traitsExternalizable != 0 { // its bytes are the class's own matter
		d.fail("object", at, ErrUnsupported, "externalizable class %q", t.class)
		return t
	}
	t.dynamic = flags&traitsDynamic != 0
	n := flags >> traitsCountShift
	if n > uint32(MaxElements-d.elements) { // each name is to get a value
		d.fail("object", at, ErrLimit, "more than %d values", MaxElements)
	}
	for ; n > 0 && d.err == nil; n-- {
		t.sealed = append(t.sealed, d.string3("key", MaxString))
	}
	if len(d.traits) < MaxReferences {
		d.traits = append(d.traits, t)
	}
	return t
}
