package server

// maxFiles: Windows has no limit that matters here.
func maxFiles() int { return 0 }
