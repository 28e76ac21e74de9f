package spawn

const (
	sysMemfdCreate = 319
	elfMachine     = 62 // EM_X86_64
)
