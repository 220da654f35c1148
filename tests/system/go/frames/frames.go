// Package frames reads many inputs from one, each behind its length in four bytes, and says what becomes of each.
package frames

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Verdicts prints a line for each input of data: true where check has no error.
func Verdicts(data []byte, check func([]byte) error) error {
	for len(data) > 0 {
		if len(data) < 4 || uint64(len(data)-4) < uint64(binary.BigEndian.Uint32(data)) {
			return errors.New("an input that is cut off")
		}
		end := 4 + int(binary.BigEndian.Uint32(data))
		fmt.Println(check(data[4:end]) == nil)
		data = data[end:]
	}
	return nil
}
