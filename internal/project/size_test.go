package project

import (
	"math"
	"testing"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0B": 0, "512B": 512, "2kB": 2000, "2KiB": 2048, "2MB": 2_000_000, "2 MB": 2_000_000, "2MiB": 2 << 20, "1.5GB": 1_500_000_000,
		"0.5KiB": 512, "1.25kB": 1250, "150GiB": 150 << 30, "007B": 7, "9223372036854775807B": math.MaxInt64, "9223372036.854775807GB": math.MaxInt64,
	} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, bad := range []string{
		"", "2", "MB", "2mb", "2KB", "2M", "2TB", "-1B", "+1B", "1e3B", "2  MB", " 2MB", "2MB ", "2MB\n", ".5MB", "1.MB", "1,5MB", "0x1B", "1/2B",
		"1.5B", "0.0001kB", "9223372036854775808B", "9999999999999999999GiB", "99999999999999999999B",
	} {
		size := Size(7)
		if err := size.UnmarshalText([]byte(bad)); err == nil || size != 7 {
			t.Errorf("%q: %d, %v", bad, size, err)
		}
	}
	for size, want := range map[Size]string{
		0: "0B", 1: "1B", 1000: "1kB", 1024: "1KiB", 1536: "1536B", 2_000_000: "2MB", 150_000_000: "150MB", 6 << 20: "6MiB", 1 << 30: "1GiB",
		5_000_000_000: "5GB", 1_024_000: "1024kB", math.MaxInt64: "9223372036854775807B",
	} {
		text, err := size.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("%d: %s, %v, want %s", size, text, err, want)
		}
		var again Size
		if err := again.UnmarshalText(text); err != nil || again != size {
			t.Errorf("%s: %d, %v, want %d", text, again, err, size)
		}
	}
}
