# Thin names for commands that stand on their own. `make` alone lists them.
# Migrations need DATABASE_URL; `make migrate-create NAME=add_something` makes a new one.

bin  := node_modules/.bin
node := $(bin)/node
.DEFAULT_GOAL := help
.PHONY: help install build dev test check lint proto migrate-up migrate-down migrate-create images

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## install what is missing on this machine and in node_modules
	./wrenn --version

build: install ## build what is not run from source: the images of the built-in template
	$(MAKE) images

dev: ## run the platform in this terminal
	./wrenn up

test: ## run all tests
	./wrenn test

check: ## types, lint, format and schemas only
	./wrenn test check

lint: ## repair format and what the linter can repair
	$(bin)/biome check --write .

proto: ## generate code from the .proto files
	cd packages/rpc && PATH=$(CURDIR)/$(bin):$$PATH buf lint && PATH=$(CURDIR)/$(bin):$$PATH buf generate

migrate-up: ## apply pending migrations to DATABASE_URL
	$(node) packages/control-plane/src/migrate.ts up

migrate-down: ## take back the last migration
	$(node) packages/control-plane/src/migrate.ts down

migrate-create: ## make a migration called NAME
	$(node) packages/control-plane/src/migrate.ts create $(NAME)

images: ## build the template `minimal` on the running instance
	./wrenn template build minimal
