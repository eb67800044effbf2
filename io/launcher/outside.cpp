#include "io/launcher/outside.hpp"

#include "io/launcher/system_calls.hpp"

#include <cerrno>
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace assay::launcher {

namespace {

/// Root's processes are bound by no limit on their number, so this comes before anything else.
void become_nobody(const launch_options& options) {
  if (::geteuid() == 0 || ::getuid() == 0) {
    if (options.uid == 0)
      give_up("root has to name a user with --uid");
    const auto user = static_cast<uid_t>(options.uid);
    const auto group = static_cast<gid_t>(options.uid);
    if (::setgroups(0, nullptr) != 0 || ::setresgid(group, group, group) != 0
        || ::setresuid(user, user, user) != 0)
      give_up_errno("no change to user " + std::to_string(options.uid));
    if (::setuid(0) == 0)
      give_up("root could not be left");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    give_up_errno("no_new_privs");
}

/// The system's folders, linked or bound as they are here.
void add_system(std::vector<std::string>& words) {
  const auto add = [&words](std::initializer_list<std::string> some) { words.insert(words.end(), some); };
  add({"--ro-bind", "/usr", "/usr"});
  for (const char* folder : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    struct stat about {};
    if (::lstat(folder, &about) != 0)
      continue;
    if (S_ISLNK(about.st_mode)) {
      char target[256];
      const auto length = ::readlink(folder, target, sizeof target);
      if (length <= 0 || length == sizeof target)
        continue;
      words.insert(words.end(), {"--symlink", std::string(target, static_cast<size_t>(length)), folder});
    } else if (S_ISDIR(about.st_mode)) {
      add({"--ro-bind", folder, folder});
    }
  }
  // How the loader and the links of compilers find their files; nothing of it is about this machine's users.
  for (const char* path : {"/etc/alternatives", "/etc/ld.so.cache"})
    add({"--ro-bind-try", path, path});
  add({"--proc", "/proc"});
  add({"--size", "65536", "--perms", "0755", "--tmpfs", "/dev"});
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})
    add({"--dev-bind", device, device});
  add({"--symlink", "/proc/self/fd", "/dev/fd", "--symlink", "/proc/self/fd/0", "/dev/stdin", "--symlink",
       "/proc/self/fd/1", "/dev/stdout", "--symlink", "/proc/self/fd/2", "/dev/stderr", "--symlink",
       "/box/shm", "/dev/shm", "--remount-ro", "/dev"});
}

/// One folder of bounded size for all that the program may write; the root itself would be writable
/// otherwise.
void add_box(std::vector<std::string>& words, const launch_options& options) {
  words.insert(words.end(), {"--size",    std::to_string(options.disk_bytes),
                             "--perms",   "0755",
                             "--tmpfs",   box_folder,
                             "--dir",     work_folder,
                             "--perms",   "1777",
                             "--dir",     "/box/tmp",
                             "--perms",   "1777",
                             "--dir",     "/box/shm",
                             "--symlink", "/box/tmp",
                             "/tmp",      "--chdir",
                             work_folder});
}

void add_environment(std::vector<std::string>& words, const launch_options& options) {
  const auto set = [&words](std::string name, std::string value) {
    words.insert(words.end(), {"--setenv", std::move(name), std::move(value)});
  };
  words.emplace_back("--clearenv");
  set("PATH", "/usr/local/bin:/usr/bin:/bin");
  set("HOME", work_folder);
  set("TMPDIR", "/tmp");
  set("LANG", "C.UTF-8");
  for (const auto& one : options.environment) {
    const auto equals = one.find('=');
    if (equals == std::string::npos || equals == 0)
      give_up("--env needs NAME=VALUE, not \"" + one + "\"");
    set(one.substr(0, equals), one.substr(equals + 1));
  }
}

} // namespace

void run_outside(const launch_options& options) {
  // Inherited by bwrap, which copies it into the sandbox: its folder need not be readable for the user that
  // root becomes.
  const int own = ::open("/proc/self/exe", O_RDONLY);
  if (own < 0)
    give_up_errno("the launcher cannot be read");
  const int filter = make_system_call_filter();
  become_nobody(options);
  if (::access(options.bwrap.c_str(), X_OK) != 0)
    give_up_errno(options.bwrap);

  std::vector<std::string> words{
      options.bwrap,         "--unshare-user",    "--unshare-all", "--disable-userns",
      "--new-session",       "--die-with-parent", "--cap-drop",    "ALL",
      "--as-pid-1",          "--hostname",        "sandbox",       "--seccomp",
      std::to_string(filter)};
  add_environment(words, options);
  add_system(words);
  add_box(words, options);
  for (const auto& [source, seen] : options.read) {
    if (::access(source.c_str(), R_OK) != 0)
      give_up_errno(source + " cannot be read by user " + std::to_string(::getuid()));
    words.insert(words.end(), {"--ro-bind", source, seen});
  }
  words.insert(words.end(), {"--perms", "0555", "--ro-bind-data", std::to_string(own), inside_path,
                             "--remount-ro", "/", "--", inside_path, "--inside"});
  for (auto& word : limit_words(options))
    words.push_back(std::move(word));
  words.emplace_back("--");
  words.insert(words.end(), options.command.begin(), options.command.end());

  std::vector<char*> pointers;
  for (auto& word : words)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(options.bwrap.c_str(), pointers.data());
  give_up_errno(options.bwrap);
}

} // namespace assay::launcher
