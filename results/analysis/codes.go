package analysis

// The stable codes of warnings. docs/method.md lists each with its meaning; a test compares the two.
const (
	CodeBusyMachine    = "busy-machine"
	CodeCapped         = "capped"
	CodeClock          = "clock-resolution"
	CodeDrift          = "drift"
	CodeExits          = "exit-codes"
	CodeFailed         = "failed-cell"
	CodeFailedCells    = "failed-cells"
	CodeFewRounds      = "few-rounds"
	CodeFewTasks       = "few-tasks"
	CodeFitsCache      = "fits-cache"
	CodeFixtureShares  = "fixture-shares-cpus"
	CodeForeign        = "foreign-trials"
	CodeGovernor       = "governor"
	CodeIncomplete     = "incomplete"
	CodeInterference   = "interference"
	CodeUnknown        = "interference-unknown"
	CodeJoined         = "joined"
	CodeManyRivals     = "many-comparisons"
	CodeMissingRounds  = "missing-rounds"
	CodeNoReference    = "no-reference"
	CodeOneCore        = "one-core"
	CodeOutliers       = "outliers"
	CodeShown          = "output-shown"
	CodeOversubscribed = "oversubscribed"
	CodeQuick          = "quick"
	CodeQuota          = "cpu-quota"
	CodeRefFailed      = "reference-failed"
	CodeRepeats        = "repeats"
	CodeResumed        = "resumed"
	CodeSetup          = "setup-larger"
	CodeShortWait      = "short-wait"
	CodeSiblings       = "smt-siblings"
	CodeSkipped        = "skipped-records"
	CodeSplit          = "split-differs"
	CodeStarved        = "starved"
	CodeSteal          = "steal"
	CodeSuperlinear    = "superlinear"
	CodeTorn           = "torn-file"
	CodeTurbo          = "turbo"
	CodeUnequalWorkers = "unequal-workers"
	CodeVirtual        = "virtualised"
	CodeWide           = "wide-interval"
)

// Codes lists every code that a warning can have, in alphabetical order.
func Codes() []string {
	return []string{
		CodeBusyMachine, CodeCapped, CodeClock, CodeQuota, CodeDrift, CodeExits, CodeFailed, CodeFailedCells, CodeFewRounds,
		CodeFewTasks, CodeFitsCache, CodeFixtureShares, CodeForeign, CodeGovernor, CodeIncomplete, CodeInterference, CodeUnknown,
		CodeJoined, CodeManyRivals, CodeMissingRounds, CodeNoReference, CodeOneCore, CodeOutliers, CodeShown, CodeOversubscribed,
		CodeQuick, CodeRefFailed, CodeRepeats, CodeResumed, CodeSetup, CodeShortWait, CodeSkipped, CodeSiblings, CodeSplit, CodeStarved, CodeSteal,
		CodeSuperlinear, CodeTorn, CodeTurbo, CodeUnequalWorkers, CodeVirtual, CodeWide,
	}
}
