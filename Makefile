# Makes what is installed: `make bundle`, `executable`, `image`, `install`. Needs npm; image needs Docker or the like.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(SYSCONFDIR)/systemd/system
BASH_COMPLETIONS = $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS = $(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS = $(PREFIX)/share/fish/vendor_completions.d
# Put in front of every path that is written, for makers of packages.
DESTDIR ?=

DIST ?= dist
VERSION := $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' package.json)
IMAGE ?= kube-proxy-ts:$(VERSION)
CONTAINER_TOOL ?= docker
IMAGE_FLAGS ?=

KOFFI = node_modules/@koromix/koffi-linux-*/linux_*/koffi.node

export PATH := $(wildcard $(CURDIR)/node_modules/node-linux-*/bin):$(PATH)

.PHONY: bundle executable image install uninstall

bundle: node_modules
	npm run --silent build

executable: node_modules
	npm run --silent build:executable

image:
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) --tag $(IMAGE) $(IMAGE_FLAGS) .

node_modules: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	touch node_modules

# As root, after `make executable`. Flags that an operator has set stay as they are.
install:
	install -D $(DIST)/kube-proxy $(DESTDIR)$(PREFIX)/bin/kube-proxy
	install -D -m 644 $(KOFFI) $(DESTDIR)$(PREFIX)/lib/kube-proxy/koffi.node
	install -d $(DESTDIR)$(PREFIX)/share/doc/kube-proxy $(DESTDIR)$(UNITDIR)
	install -m 644 docs/*.md $(DESTDIR)$(PREFIX)/share/doc/kube-proxy
	install -D -m 644 docs/man/kube-proxy.8 $(DESTDIR)$(PREFIX)/share/man/man8/kube-proxy.8
	install -d $(DESTDIR)$(BASH_COMPLETIONS) $(DESTDIR)$(ZSH_COMPLETIONS) $(DESTDIR)$(FISH_COMPLETIONS)
	$(DIST)/kube-proxy completion bash >$(DESTDIR)$(BASH_COMPLETIONS)/kube-proxy
	$(DIST)/kube-proxy completion zsh >$(DESTDIR)$(ZSH_COMPLETIONS)/_kube-proxy
	$(DIST)/kube-proxy completion fish >$(DESTDIR)$(FISH_COMPLETIONS)/kube-proxy.fish
	sed -e 's|/opt/kube-proxy/bin/|$(PREFIX)/bin/|' -e 's|/opt/kube-proxy/docs/|$(PREFIX)/share/doc/kube-proxy/|' \
	  -e 's|/etc/kube-proxy/|$(SYSCONFDIR)/kube-proxy/|' systemd/kube-proxy.service \
	  >$(DESTDIR)$(UNITDIR)/kube-proxy.service
	test -e $(DESTDIR)$(SYSCONFDIR)/kube-proxy/kube-proxy.env || \
	  install -D -m 644 systemd/kube-proxy.env $(DESTDIR)$(SYSCONFDIR)/kube-proxy/kube-proxy.env

# Leaves the flags. Rules go with `kube-proxy --cleanup`, before.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/kube-proxy $(DESTDIR)$(UNITDIR)/kube-proxy.service \
	  $(DESTDIR)$(PREFIX)/share/man/man8/kube-proxy.8 $(DESTDIR)$(BASH_COMPLETIONS)/kube-proxy \
	  $(DESTDIR)$(ZSH_COMPLETIONS)/_kube-proxy $(DESTDIR)$(FISH_COMPLETIONS)/kube-proxy.fish
	rm -rf $(DESTDIR)$(PREFIX)/lib/kube-proxy $(DESTDIR)$(PREFIX)/share/doc/kube-proxy
