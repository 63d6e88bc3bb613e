/** Makes the nfacct object named on the command line, in the network namespace it runs in. */
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int, int, int)");
const send = libc.func("int64_t send(int, const void *, uint64_t, int)");
const recv = libc.func("int64_t recv(int, _Out_ void *, uint64_t, int)");

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_ACCT = 7; // linux/netfilter/nfnetlink.h; message 0 of it is NFNL_MSG_ACCT_NEW
const REQUEST_ACK_CREATE = 0x1 | 0x4 | 0x400;
const NFACCT_NAME = 1;

const name = Buffer.from(`${process.argv[2]}\0`);
// nlmsghdr (16), nfgenmsg (4), nlattr (4), the name padded to 4
const message = Buffer.alloc(24 + Math.ceil(name.length / 4) * 4);
message.writeUInt32LE(message.length, 0);
message.writeUInt16LE(NFNL_SUBSYS_ACCT << 8, 4);
message.writeUInt16LE(REQUEST_ACK_CREATE, 6);
message.writeUInt16LE(4 + name.length, 20);
message.writeUInt16LE(NFACCT_NAME, 22);
name.copy(message, 24);

const fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
send(fd, message, message.length, 0);
const answer = Buffer.alloc(1024);
recv(fd, answer, answer.length, 0);
// nlmsgerr: the error follows the header
process.exitCode = answer.readInt32LE(16) === 0 ? 0 : 1;
