#include "io/launcher/system_calls.hpp"

#include "io/launcher/launch_options.hpp"

#include <cerrno>
#include <initializer_list>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace assay::launcher {

namespace {

// Names rather than numbers: those that the library, or this kind of processor, does not know are left out.

/// What changes the machine, looks into other processes, or has often been a way out of sandboxes.
constexpr std::initializer_list<const char*> forbidden{
    // Other processes, and what the kernel keeps for them.
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp", "add_key",
    "keyctl", "request_key",
    // Namespaces and mounts.
    "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at", "open_by_handle_at",
    // The machine.
    "acct", "bpf", "delete_module", "finit_module", "init_module", "kexec_file_load", "kexec_load",
    "perf_event_open", "quotactl", "quotactl_fd", "reboot", "swapoff", "swapon", "syslog", "vhangup", "iopl",
    "ioperm", "settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64",
    "adjtimex", "sethostname", "setdomainname", "fanotify_init", "lookup_dcookie", "nfsservctl", "uselib",
    "userfaultfd",
    // Memory that belongs to no process, so that no limit of processes would count it.
    "shmget", "shmat", "msgget", "semget", "mq_open", "memfd_secret"};

/// What programs try and do without when a kernel is too old for it.
constexpr std::initializer_list<const char*> unknown{
    "clone3", // its flags are in memory, where no filter sees them; clone does the same
    "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_create"};

class filter {
public:
  filter() : context_(::seccomp_init(SCMP_ACT_ALLOW)) {
    if (context_ == nullptr)
      give_up("no room for a filter of system calls");
  }
  ~filter() { ::seccomp_release(context_); }
  filter(const filter&) = delete;
  filter& operator=(const filter&) = delete;

  void refuse(std::initializer_list<const char*> names, int error) {
    for (const char* name : names)
      if (const int number = ::seccomp_syscall_resolve_name(name); number != __NR_SCMP_ERROR)
        check(::seccomp_rule_add_exact_array(context_, SCMP_ACT_ERRNO(static_cast<uint16_t>(error)), number,
                                             0, nullptr),
              number);
  }

  void refuse(const char* name, scmp_arg_cmp condition, int error) {
    if (const int number = ::seccomp_syscall_resolve_name(name); number != __NR_SCMP_ERROR)
      check(::seccomp_rule_add_array(context_, SCMP_ACT_ERRNO(static_cast<uint16_t>(error)), number, 1,
                                     &condition),
            number);
  }

  int exported() const {
    const int file = ::memfd_create("filter", 0);
    if (file < 0 || ::seccomp_export_bpf(context_, file) != 0 || ::lseek(file, 0, SEEK_SET) != 0)
      give_up_errno("the filter of system calls was not written");
    return file;
  }

private:
  static void check(int failed, int number) {
    // Negative numbers stand for calls that this kind of processor does not have.
    if (failed != 0 && number >= 0)
      give_up("the filter of system calls is wrong at number " + std::to_string(number));
  }

  scmp_filter_ctx context_;
};

} // namespace

int make_system_call_filter() {
  filter out;
  out.refuse(forbidden, EPERM);
  out.refuse(unknown, ENOSYS);
  for (const auto flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
                          CLONE_NEWCGROUP}) {
    const auto bits = static_cast<scmp_datum_t>(static_cast<unsigned>(flag));
    out.refuse("clone", scmp_arg_cmp{0, SCMP_CMP_MASKED_EQ, bits, bits}, EPERM);
  }
  // No kind of socket but these is kept apart by namespaces, or needed.
  out.refuse("socket", scmp_arg_cmp{0, SCMP_CMP_GT, AF_INET6, 0}, EAFNOSUPPORT);
  for (const int family : {3, 4, 5, 6, 7, 8, 9})
    out.refuse("socket", scmp_arg_cmp{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0}, EAFNOSUPPORT);
  // Typing into somebody's terminal.
  constexpr scmp_datum_t low = 0xffffffff;
  for (const scmp_datum_t request : {0x5412U /* TIOCSTI */, 0x541cU /* TIOCLINUX */})
    out.refuse("ioctl", scmp_arg_cmp{1, SCMP_CMP_MASKED_EQ, low, request}, EPERM);
  return out.exported();
}

} // namespace assay::launcher
