# p2pnet: what a person types. Everything here runs on a machine with Rust, a C compiler and make.
#
#   make            the library, the rendezvous server and the tool p2p, optimised
#   make demo       builds everything and shows two C programs finding each other; a few seconds after the build. As root also
#                   two nodes behind NATs that punch through them, with the timeline of it
#   make test       every test (as root it installs what it needs by apt; else it says what it skips)
#   make bench      the table of measurements beside raw TCP, ZeroMQ, ENet and libuv, as far as they are installed, and the goals
#                   (5 to 8 minutes; make bench-quick: two; make bench-secure: the secure dialect and the relay only;
#                   make bench-server: the rendezvous server with 100,000 nodes)
#   make soak       the long tests
#   make small      the library for small devices, shared and static, in target/small/ (docs/embedded.md)
#   make size       bytes of the library, by default and small, and what is in them (docs/dependencies.md)
#   make lab        the cases of the NAT laboratory (root)
#   make situations the table NAT kind x (classified as, mapped by, reachable), written to docs/situations.md (root, 4 minutes)
#   make matrix     every NAT against every other, by the optimised library; docs/matrix.md and its picture (root, a quarter of an hour)
#   make install    PREFIX=/usr/local DESTDIR= (docs/install.md); make uninstall takes it away again
#   make deb        Debian packages of library, headers and tools, in build/deb/
#   make embedded   the small static library for ARM, run under an emulator; a table of sizes (docs/embedded.md)
#   make header     rewrites include/p2pnet.h from src/ffi/, and from that the numbers of the Python binding
#   make man        rewrites the man pages and shell completions from the command lines' definitions
#   make abi-baseline   at a release: what later versions are held against (docs/abi.md)
#   make format     rustfmt and clang-format

CARGO   ?= cargo
CC      ?= cc
CXX     ?= c++
PYTHON  ?= python3
# Where make install puts things. BINDIR, LIBDIR, INCLUDEDIR, MANDIR and the folders of completions follow PREFIX unless they are
# set as well: packaging/install.sh has them.
PREFIX  ?= /usr/local
DESTDIR ?=
# BUILT=1: install and deb take what lies in target/ as it is, and build nothing.
BUILT   ?=

# Where cargo builds.
BUILDS    = $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

CFLAGS   ?= -O2 -g
WARN      = -Wall -Wextra -Werror
# What a program that links the static library needs besides; rustc prints it with --print native-static-libs.
STATIC_LIBS = -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
# Where the programs are: make server builds them there, unless another folder is named that has them already.
TOOLS    ?= target/tools/tools
SERVER    = $(TOOLS)/p2p-rendezvous
EXAMPLES  = $(patsubst examples-c/%.c,build/examples/%,$(wildcard examples-c/*.c)) \
            $(patsubst examples-c/%.cpp,build/examples/%,$(wildcard examples-c/*.cpp))

.PHONY: all lib small size server examples demo test bench bench-quick bench-secure bench-server lab situations matrix soak built install uninstall deb embedded man abi-baseline header format clean

all: lib server

# Linked by a script (packaging/library.rs says why). With frame pointers the tables for unwinding become smaller by more than the code
# becomes larger, and perf can walk the stack.
lib:
	$(CARGO) rustc --release --lib --crate-type lib -- -C force-frame-pointers=yes
	@packaging/library.sh $(BUILDS)/release

# Into target/small/. Without the Rust library beside them, which would keep cargo from optimising over all crates (lto).
small:
	$(CARGO) rustc --profile small --lib --crate-type cdylib,staticlib --no-default-features --features embedded -- -C force-frame-pointers=yes

size: lib small
	@$(PYTHON) tests/size.py $(BUILDS)/release $(BUILDS)/small

# In a target folder of its own: the programs' features must not leak into the library built above.
ifeq ($(TOOLS),target/tools/tools)
server:
	$(CARGO) build --profile tools --features server,cli --bins --target-dir target/tools
else
server: $(SERVER) $(TOOLS)/p2p
endif

examples: lib $(EXAMPLES)

build/examples/%: examples-c/%.c include/p2pnet.h target/release/libp2pnet.a
	@mkdir -p $(@D)
	$(CC) -std=c11 $(CFLAGS) $(WARN) -Iinclude $< target/release/libp2pnet.a $(STATIC_LIBS) -o $@

build/examples/%: examples-c/%.cpp include/p2pnet.h bindings/cpp/p2pnet.hpp target/release/libp2pnet.a
	@mkdir -p $(@D)
	$(CXX) -std=c++17 $(CFLAGS) $(WARN) -Iinclude -Ibindings/cpp $< target/release/libp2pnet.a $(STATIC_LIBS) -o $@

demo: lib server examples
	@SERVER=$(SERVER) EXAMPLES=build/examples sh examples-c/demo.sh
	@if [ "$$(id -u)" = 0 ] && [ "$$(uname)" = Linux ]; then \
		echo "demo: part two: through two NATs, in network namespaces"; \
		$(CARGO) test -q --features server,testing,cli,mainline --test lab -- demo; \
	else \
		echo "demo: part two is left out: two NATs of network namespaces need Linux and root (sudo make demo)"; \
	fi

test:
	@$(PYTHON) tests/run.py

lab:
	$(CARGO) test --features server,testing,cli,mainline --test lab

situations:
	@mkdir -p build
	$(CARGO) test --features server,testing,cli,mainline --test lab -- table > build/situations.md && mv build/situations.md docs/

matrix:
	@mkdir -p build
	$(CARGO) test --profile tools --features server,testing,cli,mainline --test lab -- matrix \
	  --json build/matrix.json --md docs/matrix.md --svg docs/matrix.svg

soak: lib server
	@$(PYTHON) tests/run.py --soak

bench: lib small server
	@$(PYTHON) benches/run.py

bench-quick: lib server
	@$(PYTHON) benches/run.py --quick

bench-secure: lib server
	@$(PYTHON) benches/run.py --secure

bench-server: server
	@$(PYTHON) benches/run.py --server

# Under sudo there is often no cargo; what make has built before is then taken.
built:
	@if [ -n "$(BUILT)" ] || ! command -v $(CARGO) >/dev/null; then :; else $(MAKE) --no-print-directory lib server; fi

install: built
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' TOOLS='$(TOOLS)' packaging/install.sh install

uninstall:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' packaging/install.sh uninstall

deb: built
	@TOOLS='$(TOOLS)' packaging/debian/build.sh build/deb

embedded:
	@$(PYTHON) tests/embedded/run.py

man:
	UPDATE_MAN=1 $(CARGO) test --features server,testing,cli,mainline --bins man_pages

abi-baseline:
	@$(PYTHON) tests/abi/run.py --renew

header:
	UPDATE_HEADER=1 $(CARGO) test --test header the_committed_header
	$(PYTHON) bindings/python/make_constants.py

format:
	$(CARGO) fmt
	clang-format -i $$(git ls-files '*.c' '*.h' '*.cpp' '*.hpp' | grep -v '^include/p2pnet.h$$')

clean:
	$(CARGO) clean
	rm -rf build
