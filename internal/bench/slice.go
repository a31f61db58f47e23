package bench

// maxSlice is the longest of the NAL unit and slice headers below.
const maxSlice = 6

// appendAVCSlice appends a NAL unit header and a slice header (ISO/IEC 14496-10, 7.3.1 and 7.3.3), as
// the parameter sets want them. Servers take the order of pictures from it. Frame n is inGOP
// frames after its IDR picture, or is one.
func appendAVCSlice(dst []byte, inGOP int, n uint64) []byte {
	var h bitString
	if inGOP == 0 {
		h.put(0x65, 8)
		h.put(0b1_0001000_1_0000, 13) // first_mb_in_slice 0, slice_type I, pic_parameter_set_id 0, frame_num 0
		if n%2 == 0 {                 // idr_pic_id: two in a row differ
			h.put(0b1, 1)
		} else {
			h.put(0b010, 3)
		}
		h.put(0b00, 2) // dec_ref_pic_marking
	} else {
		h.put(0x41, 8)
		h.put(0b1_00110_1, 7) // first_mb_in_slice 0, slice_type P, pic_parameter_set_id 0
		h.put(uint64(inGOP)%16, 4)
		h.put(0b0_0_0_1, 4) // no override, no modification, dec_ref_pic_marking, cabac_init_idc 0
	}
	h.put(0b1_1_1_1, 4) // slice_qp_delta, three of deblocking
	for h.n%8 != 0 {
		h.put(1, 1) // cabac_alignment_one_bit
	}
	return h.append(dst)
}

// appendHEVCSlice: ISO/IEC 23008-2, 7.3.1.2 and 7.3.6.1.
func appendHEVCSlice(dst []byte, inGOP int, _ uint64) []byte {
	var h bitString
	if inGOP == 0 {
		h.put(0x2801, 16)
		h.put(0b1_0_1_011, 6) // first_slice_segment_in_pic_flag, no_output_of_prior_pics_flag, slice_pic_parameter_set_id 0, slice_type I
	} else {
		h.put(0x0201, 16)
		h.put(0b1_1_010, 5)         // first_slice_segment_in_pic_flag, slice_pic_parameter_set_id 0, slice_type P
		h.put(uint64(inGOP)%256, 8) // slice_pic_order_cnt_lsb
		h.put(0b0_010_1_1_1, 7)     // short_term_ref_pic_set: the picture before
		h.put(0b1_0_00100, 7)       // slice_temporal_mvp_enabled_flag, no override, five_minus_max_num_merge_cand 3
	}
	h.put(0b1_1, 2) // slice_qp_delta 0, slice_loop_filter_across_slices_enabled_flag
	h.put(1, 1)     // byte_alignment
	for h.n%8 != 0 {
		h.put(0, 1)
	}
	return h.append(dst)
}

// bitString is up to 64 bits, the first one on top.
type bitString struct {
	v uint64
	n int
}

func (b *bitString) put(v uint64, n int) { b.v, b.n = b.v<<n|v, b.n+n }

func (b *bitString) append(dst []byte) []byte {
	for n := b.n - 8; n >= 0; n -= 8 {
		dst = append(dst, byte(b.v>>n))
	}
	return dst
}
