package lock

func (r *reader) poetry(d *document, root *node) {}
