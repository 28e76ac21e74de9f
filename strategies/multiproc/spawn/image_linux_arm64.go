package spawn

const (
	sysMemfdCreate = 279
	elfMachine     = 183 // EM_AARCH64
)
