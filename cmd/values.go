package cmd

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// ageValue is a flag's duration that may also be in days: "90m", "36h", "7d".
type ageValue time.Duration

func (v *ageValue) String() string {
	const day = 24 * time.Hour
	d := time.Duration(*v)
	switch {
	case d == 0:
		return "0"
	case d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}

func (*ageValue) Type() string { return "duration" }

func (v *ageValue) Set(text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n >= 0 && n <= 36500 {
			*v = ageValue(n * 24 * float64(time.Hour))
			return nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return wantError("a duration, for example 90m, 36h or 7d")
	}
	*v = ageValue(d)
	return nil
}

// sizeValue is a flag's number of bytes: "512MiB", "2GB", "1000000". Where a flag
// has a default that is worked out later it is fewer than 0, and written "auto".
type sizeValue int64

// units are by their first letter: of 1000 with "B" behind it, else of 1024.
const units = "KMGT"

func (v *sizeValue) String() string {
	n := int64(*v)
	if n < 0 {
		return "auto"
	}
	unit := ""
	for i := 0; n > 0 && n%1024 == 0 && i < len(units); i++ {
		n, unit = n/1024, units[i:i+1]+"iB"
	}
	return strconv.FormatInt(n, 10) + unit
}

func (*sizeValue) Type() string { return "size" }

func (v *sizeValue) Set(text string) error {
	if text == "auto" && *v < 0 {
		return nil
	}
	number := strings.TrimRight(text, "KMGTkmgtiBb ")
	factor, ok := unitOf(strings.ToUpper(strings.TrimSpace(text[len(number):])))
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || !(n >= 0) || n*factor > math.MaxInt64/2 {
		return wantError("a number of bytes, for example 512MiB or 2GB")
	}
	*v = sizeValue(n * factor)
	return nil
}

// unitOf returns how many bytes a unit has.
func unitOf(unit string) (factor float64, ok bool) {
	if unit == "" || unit == "B" {
		return 1, true
	}
	power := strings.IndexByte(units, unit[0]) + 1
	base := 1024.0
	switch unit[1:] {
	case "B":
		base = 1000
	case "", "IB":
	default:
		return 0, false
	}
	return math.Pow(base, float64(power)), power > 0
}
