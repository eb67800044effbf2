// What programs try in order to get out of the sandbox, or to take more than is theirs. Each test fails when
// the defence that it is about is taken away.

#include "tests/io/sandbox_support.hpp"

#include <arpa/inet.h>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace assay::io {
namespace {

using test::starter;

class sandbox_escape : public test::sandbox_test {};

INSTANTIATE_TEST_SUITE_P(started, sandbox_escape, ::testing::Values(starter::as_it_is, starter::as_a_user),
                         test::name_of);

// -- too much ----------------------------------------------------------------------------------------------

TEST_P(sandbox_escape, a_fork_bomb_gets_no_more_processes_than_allowed) {
  auto job = python(R"(
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError as refused:
    print("refused", end=" ")
print(made)
)");
  const auto out = output_of(job);
  ASSERT_TRUE(out.starts_with("refused ")) << out;
  const auto made = std::atoi(out.c_str() + 8);
  EXPECT_GE(made, 50);
  EXPECT_LT(made, 60);
}

TEST_P(sandbox_escape, threads_count_as_processes) {
  auto job = python(R"(
import threading, time
made = 0
try:
    while made < 500:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        made += 1
except RuntimeError:
    print("refused", end=" ", flush=True)
import os
os.write(1, str(made).encode())
os._exit(0)
)");
  job.limits.processes = 20;
  const auto out = output_of(job);
  ASSERT_TRUE(out.starts_with("refused ")) << out;
  EXPECT_LT(std::atoi(out.c_str() + 8), 20);
}

TEST_P(sandbox_escape, a_fork_bomb_is_ended_with_its_job) {
  auto job = shell("bomb() { bomb & bomb & sleep " + nap(123) + "; }; bomb");
  job.limits.wall = milliseconds{700};
  const auto result = run(job);
  EXPECT_FALSE(result.error);
  EXPECT_TRUE(result.end == sandbox_end::wall_limit || result.end == sandbox_end::exited)
      << to_string(result.end);
  EXPECT_TRUE(is_gone(nap(123)));
}

TEST_P(sandbox_escape, a_memory_bomb_is_ended) {
  auto job = python("block = bytearray(2 << 30)\nprint('survived')\n");
  job.limits.memory_bytes = uint64_t{100} << 20;
  const auto result = run(job);
  EXPECT_EQ(result.end, sandbox_end::memory_limit) << to_string(result.end);
  EXPECT_EQ(result.out.view(), "");
  EXPECT_GT(result.peak_memory_bytes, uint64_t{100} << 20);
}

TEST_P(sandbox_escape, memory_of_many_processes_counts_together) {
  auto job = python(R"(
import os, time
for number in range(8):
    if os.fork() == 0:
        block = bytearray(b"x" * (40 << 20))
        time.sleep(60)
time.sleep(60)
)");
  job.limits.memory_bytes = uint64_t{150} << 20;
  const auto result = run(job);
  EXPECT_EQ(result.end, sandbox_end::memory_limit) << to_string(result.end);
}

TEST_P(sandbox_escape, memory_that_processes_share_counts_once) {
  auto job = python(R"(
import os, time
block = bytearray(b"x" * (60 << 20))
children = []
for number in range(6):
    child = os.fork()
    if child == 0:
        time.sleep(0.3)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
print("done")
)");
  job.limits.memory_bytes = uint64_t{200} << 20;
  EXPECT_EQ(output_of(job), "done\n");
}

TEST_P(sandbox_escape, a_peak_too_short_to_be_seen_counts_too) {
  // It ends before the first look at it, and has more than this when it begins.
  auto job = shell("");
  job.command = {"true"};
  job.limits.memory_bytes = 400'000;
  EXPECT_EQ(run(job).end, sandbox_end::memory_limit);
}

TEST_P(sandbox_escape, memory_outside_of_processes_is_not_to_be_had) {
  const auto out = output_of(python(R"(
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
try:
    os.memfd_create("hidden")
    print("memfd")
except OSError:
    pass
if libc.shmget(0, 1 << 20, 0o1600) >= 0:
    print("shm")
)"));
  EXPECT_EQ(out, "");
}

TEST_P(sandbox_escape, endless_output_is_cut) {
  for (const char* where : {"", ">&2"}) {
    auto job = shell(std::string("yes ") + where);
    job.limits.output_bytes = 100'000;
    const auto result = run(job);
    EXPECT_EQ(result.end, sandbox_end::output_limit) << to_string(result.end);
    EXPECT_EQ(result.out.size() + result.err.size(), 100'000U);
  }
}

TEST_P(sandbox_escape, a_file_gets_no_larger_than_allowed) {
  auto job = shell("head -c 3000000 /dev/zero > big");
  job.limits.file_bytes = 1'000'000;
  EXPECT_EQ(run(job).end, sandbox_end::file_limit);
  auto quiet = python(R"(
import os
file = open("big", "wb")
try:
    file.truncate(3000000)
except OSError:
    print("refused")
)");
  quiet.limits.file_bytes = 1'000'000;
  EXPECT_EQ(output_of(quiet), "refused\n");
}

TEST_P(sandbox_escape, all_files_together_get_no_larger_than_allowed) {
  auto job = shell("for at in . /tmp /dev/shm; do for n in 1 2 3 4 5; do "
                   "head -c 1000000 /dev/zero > $at/file$n; done; done 2> /dev/null; "
                   "cat file* /tmp/file* /dev/shm/file* | wc -c");
  job.limits.disk_bytes = uint64_t{4} << 20;
  const auto bytes = std::atoll(output_of(job).c_str());
  EXPECT_GT(bytes, 3'000'000);
  EXPECT_LE(bytes, 4 << 20);
}

TEST_P(sandbox_escape, nothing_else_can_be_written) {
  const auto out =
      output_of(shell("for at in / /dev /run /usr /usr/bin /etc /bin /proc /proc/sys/kernel /sys; do "
                      "(: > $at/mine) 2> /dev/null && echo $at; done; true"));
  EXPECT_EQ(out, "");
}

TEST_P(sandbox_escape, a_loop_ends_with_its_time) {
  auto job = shell("while :; do :; done");
  job.limits.cpu = milliseconds{300};
  job.limits.wall = seconds{50};
  const auto result = run(job);
  EXPECT_EQ(result.end, sandbox_end::cpu_limit) << to_string(result.end);
  EXPECT_GE(result.cpu, milliseconds{300});
}

TEST_P(sandbox_escape, time_of_many_processes_counts_together) {
  // Each alone stays below.
  auto job = shell("for n in 1 2 3 4 5 6; do timeout -s KILL 50 sh -c 'while :; do :; done' & done; wait");
  job.limits.cpu = milliseconds{900};
  job.limits.wall = seconds{50};
  const auto result = run(job);
  EXPECT_EQ(result.end, sandbox_end::cpu_limit) << to_string(result.end);
  EXPECT_LT(result.cpu, seconds{5});
}

TEST_P(sandbox_escape, sleeping_ends_with_the_time_on_the_wall) {
  auto job = shell("trap '' TERM INT HUP; sleep " + nap(234) + "; sleep " + nap(234));
  job.limits.wall = milliseconds{300};
  EXPECT_EQ(run(job).end, sandbox_end::wall_limit);
  EXPECT_FALSE(runs(nap(234)));
}

TEST_P(sandbox_escape, children_do_not_outlive_their_job) {
  EXPECT_EQ(output_of(shell("setsid sh -c 'trap \"\" TERM HUP; sleep " + nap(345)
                            + "' > /dev/null 2>&1 < /dev/null & "
                              "(setsid setsid sleep "
                            + nap(345) + " &) ; echo left")),
            "left\n");
  EXPECT_FALSE(runs(nap(345)));
}

TEST_P(sandbox_escape, children_do_not_outlive_their_withdrawal) {
  auto one =
      start(shell("setsid sleep " + nap(456) + " & setsid sleep " + nap(456) + " & sleep " + nap(456)));
  const auto give_up = std::chrono::steady_clock::now() + test::patience;
  while (!runs(std::string("sleep") + '\0' + nap(456)) && std::chrono::steady_clock::now() < give_up) {
  }
  one.handle->withdraw();
  EXPECT_EQ(one.wait().end, sandbox_end::withdrawn);
  EXPECT_TRUE(is_gone(nap(456)));
}

// -- out ---------------------------------------------------------------------------------------------------

/// Somebody who listens on this machine.
class listener {
public:
  listener(int family, const sockaddr* address, socklen_t length)
      : socket_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    good_ = ::bind(socket_, address, length) == 0 && ::listen(socket_, 8) == 0;
  }
  ~listener() { ::close(socket_); }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  bool good() const { return good_; }
  uint16_t port() const {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.sin_port);
  }

private:
  int socket_;
  bool good_ = false;
};

TEST_P(sandbox_escape, there_is_no_network) {
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const listener server(AF_INET, reinterpret_cast<sockaddr*>(&any), sizeof any);
  ASSERT_TRUE(server.good());
  const auto script = R"(
import socket
for host, port in (("127.0.0.1", PORT), ("192.0.2.1", 80), ("169.254.169.254", 80)):
    try:
        socket.create_connection((host, port), 2)
        print("connected", host)
    except OSError:
        pass
try:
    socket.getaddrinfo("example.com", 80)
    print("resolved")
except OSError:
    pass
)";
  std::string text(script);
  text.replace(text.find("PORT"), 4, std::to_string(server.port()));
  EXPECT_EQ(output_of(python(text)), "");
}

TEST_P(sandbox_escape, nobody_on_this_machine_is_reached_by_a_name_without_a_file) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const auto own = "assay-sandbox-test-" + std::to_string(::getpid());
  std::memcpy(name.sun_path + 1, own.data(), own.size());
  const listener server(AF_UNIX, reinterpret_cast<sockaddr*>(&name),
                        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + own.size()));
  ASSERT_TRUE(server.good());
  EXPECT_EQ(output_of(python("import socket\none = socket.socket(socket.AF_UNIX)\ntry:\n"
                             "    one.connect('\\0"
                             + own + "')\n    print('connected')\nexcept OSError:\n    pass\n")),
            "");
}

TEST_P(sandbox_escape, other_kinds_of_sockets_are_not_to_be_had) {
  // Netlink, packets, the kernel's ciphers, virtual machines, bluetooth.
  EXPECT_EQ(output_of(python(R"(
import socket
for family in (16, 17, 38, 40, 31, 4, 9):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind)
            print("made", family)
        except OSError as refused:
            if refused.errno != 97:
                print("other", family, refused)
)")),
            "");
}

TEST_P(sandbox_escape, files_of_this_machine_are_not_seen) {
  const auto secret = folder / "data.mdb";
  std::ofstream(secret) << "the secret";
  std::filesystem::permissions(secret, std::filesystem::perms{0644});
  const auto out = output_of(
      shell("ln -s /etc/shadow shadow; ln -s " + secret.string()
            + " data; ln -s /proc/1/root/etc up; "
              "cat shadow data up/passwd /etc/shadow /etc/passwd "
            + secret.string() + " /proc/1/root" + secret.string() + " /proc/1/cwd/../../.." + secret.string()
            + " /proc/1/environ /proc/1/mem 2> /dev/null; "
              "ls -d /root /home /var /etc/ssh /sys /boot /mnt /opt /srv 2> /dev/null; "
              "ls /dev | grep -E 'sd|vd|nvme|mem|kmsg|tty|pts|fuse|kvm'; true"));
  EXPECT_EQ(out, "");
}

TEST_P(sandbox_escape, names_of_files_do_not_leave_their_folder) {
  for (const char* name : {"../outside", "/box/outside", "a/../../outside", "", "a//b", ".", "a/", "./a"}) {
    auto job = shell("true");
    job.files.push_back({name, shared_text("text")});
    const auto result = run(job);
    ASSERT_TRUE(result.error) << name;
    EXPECT_EQ(result.error->code, errc::invalid_argument) << name;
  }
}

TEST_P(sandbox_escape, other_processes_are_neither_seen_nor_signalled) {
  const auto own = std::to_string(::getpid());
  const auto out = output_of(shell("kill -9 1; kill -9 -1; kill -9 " + own
                                   + "; kill -9 $PPID; "
                                     "ls /proc | grep -E '^[0-9]+$' | wc -l"));
  // The first process, the shell, and the three of the last line; the shell may leave one out.
  EXPECT_LE(std::atoi(out.c_str()), 6) << out;
  EXPECT_GE(std::atoi(out.c_str()), 3) << out;
}

TEST_P(sandbox_escape, the_watch_cannot_be_stopped_or_looked_into) {
  auto job = python(R"(
import ctypes, os, signal
for number in (signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM, signal.SIGCHLD, signal.SIGSEGV):
    os.kill(1, number)
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, 1, 0, 0) == 0:
    print("attached")
for name in ("/proc/1/fd/3", "/proc/1/mem", "/proc/1/environ", "/proc/1/maps"):
    try:
        open(name, "rb").read(1)
        print("opened", name)
    except OSError:
        pass
while True:
    pass
)");
  job.limits.cpu = milliseconds{400};
  const auto result = run(job);
  EXPECT_EQ(result.end, sandbox_end::cpu_limit) << to_string(result.end);
  EXPECT_EQ(result.out.view(), "");
}

TEST_P(sandbox_escape, the_report_cannot_be_forged) {
  const auto result = run(shell("for way in 3 4 5 6 7 8 9; do "
                                "(echo 'end exited 0 0 1 1 1' >&$way) 2> /dev/null; done; "
                                "(echo 'end exited 0 0 1 1 1' > /proc/1/fd/3) 2> /dev/null; "
                                "(echo 'end exited 0 0 1 1 1' > /proc/$PPID/fd/3) 2> /dev/null; exit 9"));
  EXPECT_EQ(result.end, sandbox_end::exited);
  EXPECT_EQ(result.exit_code, 9);
}

TEST_P(sandbox_escape, no_more_rights_are_to_be_had) {
  const auto out =
      output_of(shell("unshare -U true 2> /dev/null && echo user; "
                      "unshare -n true 2> /dev/null && echo net; "
                      "mount -t tmpfs none /box/tmp 2> /dev/null && echo mount; "
                      "chroot . true 2> /dev/null && echo chroot; "
                      "id -u | grep -x 0; "
                      "grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/self/status | tr -s '\\t' ' '"));
  EXPECT_EQ(out, "CapEff: 0000000000000000\nCapBnd: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\n");
}

TEST_P(sandbox_escape, calls_that_have_been_ways_out_are_refused) {
  // By their numbers on x86-64: keyctl, bpf, perf_event_open, userfaultfd, io_uring_setup, open_by_handle_at,
  // clone3, process_vm_readv, unshare, setns, clone into a user namespace, and ptrace.
  const auto out = output_of(python(R"(
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
if platform.machine() == "x86_64":
    calls = {"keyctl": (250, 0, -3, 0), "bpf": (321, 0, 0, 0), "perf": (298, 0, 0, 0), "uffd": (323, 0),
             "uring": (425, 1, 0), "handle": (304, 0, 0, 0), "clone3": (435, 0, 0), "vm": (310, 1, 0, 0, 0, 0, 0),
             "unshare": (272, 0), "setns": (308, 0, 0), "clone": (56, 0x10000000 | 17, 0, 0, 0, 0),
             "ptrace": (101, 0, 0, 0, 0)}
    wanted = {"uring": 38, "clone3": 38}
    for name, call in calls.items():
        ctypes.set_errno(0)
        came = libc.syscall(*call)
        if came != -1 or ctypes.get_errno() != wanted.get(name, 1):
            print(name, came, ctypes.get_errno())
)"));
  EXPECT_EQ(out, "");
}

TEST_P(sandbox_escape, variables_and_open_files_stay_here) {
  ::setenv("ASSAY_TEST_SECRET", "leaked", 1);
  const auto out = output_of(shell("env | cut -d= -f1 | sort | tr '\\n' ' '; for n in 3 4 5 6 7 8 9; do "
                                   "[ -e /proc/$$/fd/$n ] && echo open $n; done; true"));
  ::unsetenv("ASSAY_TEST_SECRET");
  EXPECT_EQ(out, "HOME LANG PATH PWD TMPDIR ");
}

} // namespace
} // namespace assay::io
