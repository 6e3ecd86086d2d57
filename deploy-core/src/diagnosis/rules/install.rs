//! Installing what the project depends on: lockfiles, registries, private packages, versions that do not exist.

use super::From::{Any, Build, Run};
use super::{Rule, rule};

/// What to do about every lockfile.
const UPDATE: &str = "bring the lockfile up to date, commit it, then deploy again";

pub(super) const RULES: &[Rule] = &[
    rule(
        "npm_lock_outdated",
        Build,
        &["`npm ci` can only install packages when your package.json and package-lock.json"],
        "package-lock.json is older than package.json.",
        UPDATE,
    )
    .run(&["npm", "install", "--package-lock-only", "--prefix", "{directory}"]),
    rule(
        "pnpm_lock_outdated",
        Build,
        &["ERR_PNPM_OUTDATED_LOCKFILE"],
        "pnpm-lock.yaml is older than package.json.",
        UPDATE,
    )
    .run(&["pnpm", "install", "--lockfile-only", "--dir", "{directory}"]),
    rule(
        "yarn_lock_outdated",
        Build,
        &["Your lockfile needs to be updated", "The lockfile would have been modified by this install"],
        "yarn.lock is older than package.json.",
        UPDATE,
    )
    .run(&["yarn", "--cwd", "{directory}", "install"]),
    rule(
        "bun_lock_outdated",
        Build,
        &["lockfile had changes, but lockfile is frozen"],
        "bun.lock is older than package.json.",
        UPDATE,
    )
    .run(&["bun", "install", "--lockfile-only", "--cwd", "{directory}"]),
    rule(
        "uv_lock_outdated",
        Build,
        &["The lockfile at `uv.lock` needs to be updated"],
        "uv.lock is older than pyproject.toml.",
        UPDATE,
    )
    .run(&["uv", "lock", "--directory", "{directory}"]),
    rule(
        "poetry_lock_outdated",
        Build,
        &["pyproject.toml changed significantly since poetry.lock was last generated"],
        "poetry.lock is older than pyproject.toml.",
        UPDATE,
    )
    .run(&["poetry", "lock", "--directory", "{directory}"]),
    rule(
        "cargo_lock_outdated",
        Build,
        &["because --locked was passed to prevent this", "needs to be updated but --locked was passed"],
        "Cargo.lock is older than Cargo.toml.",
        UPDATE,
    )
    .run(&["cargo", "update", "--workspace", "--manifest-path", "{directory}/Cargo.toml"]),
    rule(
        "go_sum_incomplete",
        Build,
        &["missing go.sum entry for", "no required module provides package {}", "updates to go.mod needed"],
        "go.mod and go.sum do not name everything that the code imports.",
        "bring them up to date, commit them, then deploy again",
    )
    .run(&["go", "-C", "{directory}", "mod", "tidy"]),
    rule(
        "dependency_conflict",
        Build,
        &["npm error code ERESOLVE"],
        "Two dependencies need versions of one package that exclude each other.",
        "see which, and let their versions in package.json agree",
    )
    .run(&["npm", "install", "--dry-run", "--prefix", "{directory}"]),
    rule(
        "dependency_conflict",
        Build,
        &["ERROR: Cannot install {} because these package versions have conflicting dependencies"],
        "Two dependencies need versions of one package that exclude each other: {}.",
        "let their versions agree",
    ),
    rule(
        "certificate_unknown",
        Any,
        &[
            "SELF_SIGNED_CERT",
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
            "UNABLE_TO_GET_ISSUER_CERT",
            "CERTIFICATE_VERIFY_FAILED",
            "server certificate verification failed",
            "certificate signed by unknown authority",
        ],
        "A server showed a certificate that nobody known here has signed.",
        "let the server show a certificate of a public authority, or add its own to what the image trusts",
    ),
    rule(
        "private_repository",
        Build,
        &["Permission denied (publickey", "could not read Username for '{}'"],
        "The build may not read a private repository.",
        "name the dependency with a token of [secrets], or publish it to a registry",
    )
    .set("secrets.GIT_TOKEN = { env = \"GIT_TOKEN\", build = true }"),
    rule(
        "private_package",
        Build,
        &["The requested resource '{}' could not be found or you do not have permission"],
        "The package {} does not exist, or needs a token of its registry.",
        "correct its name; if it is private, give the build a token",
    )
    .set("secrets.NPM_TOKEN = { env = \"NPM_TOKEN\", build = true }"),
    rule(
        "registry_token",
        Build,
        &["code E401", "code E403"],
        "A package registry refused the token, or got none.",
        "give the build a valid token",
    )
    .set("secrets.NPM_TOKEN = { env = \"NPM_TOKEN\", build = true }"),
    rule(
        "registry_token",
        Build,
        &["ERR_PNPM_FETCH_401", "401 Error, Credentials not correct for"],
        "A package registry refused the token, or got none.",
        "give the build a valid token through [secrets], with build = true",
    ),
    rule(
        "registry_unreachable",
        Build,
        &["npm error code ENOTFOUND", "npm error code EAI_AGAIN", "npm error code ETIMEDOUT"],
        "The package registry can't be reached from where the build runs.",
        "correct the registry in .npmrc, or let the machine that builds reach it",
    ),
    rule(
        "package_unavailable",
        Build,
        &["No matching distribution found for {}", "No matching version found for {}."],
        "No version of {} fits: it does not exist, or not for this runtime.",
        "correct its version, or the runtime's",
    ),
    rule(
        "package_unavailable",
        Build,
        &["there is no version of {} and"],
        "There is no version {}.",
        "correct it in pyproject.toml, lock it, then deploy again",
    )
    .run(&["uv", "lock", "--directory", "{directory}"]),
    rule(
        "image_not_found",
        Any,
        &["pull access denied for {}"],
        "The image {} does not exist, or needs a login.",
        "correct its name; if it is private, name who fetches it under runtime.registry",
    ),
    rule(
        "image_not_found",
        Any,
        &["manifest for {} not found"],
        "The registry has no image {}.",
        "correct its name or tag",
    ),
    rule(
        "prisma_not_generated",
        Run,
        &["Cannot find module '.prisma/client", "@prisma/client did not initialize yet"],
        "The Prisma client was not generated when the dependencies were installed.",
        "let each install generate it, commit that, then deploy again",
    )
    .run(&["npm", "pkg", "set", "scripts.postinstall=prisma generate", "--prefix", "{directory}"]),
];
