# Two commands: `make run` starts the demo, `make test` runs every test. Both set the machine up as far as they can.
.PHONY: run test bench fuzz clip help

help:
	@echo "make run     build and start the demo; prints the address to open in a browser"
	@echo "make test    run every check and test; what continuous integration runs"
	@echo "make bench   measure joins and cost on this machine"
	@echo "make fuzz    feed the parsers hostile bytes for a minute each (SECONDS=n for another time)"
	@echo "make clip    make the simulated patient's clip as patient.flv"

run:
	@scripts/run $(ARGS)

test:
	@scripts/test

bench:
	@scripts/bench

fuzz:
	@scripts/fuzz $(or $(SECONDS),60)

clip:
	@scripts/make-clip patient.flv
