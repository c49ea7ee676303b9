# Hands a backup over to another store on TCP port 8873, with what the images of both databases have: perl-base and tar. The client
# says the token and the checksum of the manifest that it has. The answer is "same", or "data" and a stream of tar. The client
# confirms that with "ok", so that the server knows that it can go.
#
# transfer.pl serve|fetch DIRECTORY CHECKSUM FILE...
use strict;
use warnings;
use IO::Socket::IP;

use constant PORT => 8873;

my ($verb, $directory, $checksum, @files) = @ARGV;
push @files, 'manifest.json', 'index';
my $token = delete $ENV{TRANSFER_TOKEN}; # no child needs it
die "there is no token\n" unless $token;
$| = 1;

# line reads a line byte by byte, because what follows is for tar.
sub line {
	my ($peer, $seconds) = @_;
	my $text = '';
	my $whole = eval {
		local $SIG{ALRM} = sub { die "too slow\n" };
		alarm $seconds;
		while (length $text < 256 && sysread $peer, my $byte, 1) {
			return 1 if $byte eq "\n";
			$text .= $byte;
		}
		0;
	};
	alarm 0;
	return $whole ? $text : '';
}

# same takes as long for a token that is nearly right as for any other.
sub same {
	my ($one, $other) = @_;
	return length $one == length $other && ($one ^ $other) !~ /[^\0]/;
}

# tar runs with the connection as its input or output.
sub tar {
	my ($peer, @arguments) = @_;
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		open STDIN, '<&', $peer or die "input: $!\n";
		open STDOUT, '>&', $peer or die "output: $!\n";
		exec 'tar', @arguments, '--file=-', "--directory=$directory", @files or die "tar: $!\n";
	}
	waitpid $pid, 0;
	return $? == 0;
}

sub serve {
	my %listen = (LocalPort => PORT, Listen => 5, ReuseAddr => 1);
	my $server = IO::Socket::IP->new(LocalHost => '::', V6Only => 0, %listen) || IO::Socket::IP->new(LocalHost => '0.0.0.0', %listen)
		or die "listen: $@\n";
	print "waiting for the other store\n";
	while (1) {
		my $peer = $server->accept or next;
		my ($given, $have) = split / /, line($peer, 10), 2;
		if (!same($given // '', $token)) {
			print "somebody without the token was refused\n";
			next;
		}
		if ($have eq $checksum) {
			syswrite $peer, "same\n";
			return;
		}
		syswrite $peer, "data\n";
		my $sent = tar($peer, '--create');
		$peer->shutdown(1);
		return if $sent && line($peer, 600) eq 'ok';
		print "the other store went away too early: waiting for it again\n";
	}
}

sub fetch {
	my $peer;
	for (1 .. 120) { # its pod may start later than this one
		$peer = IO::Socket::IP->new(PeerHost => $ENV{TRANSFER_HOST}, PeerPort => PORT, Timeout => 5) and last;
		sleep 2;
	}
	exit 4 unless $peer;
	syswrite $peer, "$token $checksum\n";
	my $answer = line($peer, 60);
	exit 3 if $answer eq 'same';
	exit 5 if $answer ne 'data';
	exit 6 unless tar($peer, '--extract', '--no-same-owner');
	syswrite $peer, "ok\n";
}

$SIG{PIPE} = 'IGNORE' if $verb eq 'serve';
$verb eq 'serve' ? serve() : fetch();
