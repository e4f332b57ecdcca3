#!/usr/bin/perl
# Puts each guide into the package of its readers, under debian/guides/PACKAGE, and makes its links fit there: a guide of
# another package is ../PACKAGE/GUIDE, an example is where the package has it, and of what no package has only the words
# are left. Run in the source's folder.
use strict;
use warnings;

my %guides = (
    'aivo' => [qw(operator.md cli.md diagnose.md diagnose.schema.json accuracy.md)],
    'aivo-monitor' => [qw(monitor.md)],
    'aivo-server' => [qw(server-guide.md server.md scaling.md benchmarks.md threat-model.md)],
    'libaivo-dev' => [qw(sdk.md sdk-tls.md sdk-loops.md sdk-quality.md delivery.md)],
    'libaivo-gtk-dev' => [qw(gtk.md)],
);
my %examples = (
    '../sdk/examples/' => 'libaivo-dev/examples',
    '../packaging/prometheus/' => 'aivo-server/examples/prometheus',
    '../packaging/grafana/' => 'aivo-server/examples/grafana',
    '../packaging/nginx/' => 'aivo-server/examples/nginx',
);
my %package_of;
for my $package (keys %guides) {
    $package_of{$_} = $package for @{ $guides{$package} };
}

sub target_in {
    my ($package, $target) = @_;
    return $target if $target =~ m{^(https?:|mailto:|#)};
    my ($path, $anchor) = $target =~ m{^([^#]*)(#.*)?$};
    $anchor //= '';
    if (my $there = $package_of{$path}) {
        return $there eq $package ? $target : "../$there/$path$anchor";
    }
    for my $folder (keys %examples) {
        (my $bare = $folder) =~ s{/$}{};
        return "../$examples{$folder}/" if $path eq $bare || $path eq $folder;
        return "../$examples{$folder}/" . substr($path, length $folder) if index($path, $folder) == 0;
    }
    return undef;
}

sub link_in {
    my ($package, $image, $words, $target) = @_;
    my $new = target_in($package, $target);
    return $image ? '' : $words if !defined $new;
    return "${image}[$words]($new)";
}

for my $package (keys %guides) {
    my $folder = "debian/guides/$package";
    system('mkdir', '-p', $folder) == 0 or die "cannot make $folder\n";
    for my $guide (@{ $guides{$package} }) {
        open my $in, '<', "docs/$guide" or die "docs/$guide: $!\n";
        open my $out, '>', "$folder/$guide" or die "$folder/$guide: $!\n";
        while (my $line = <$in>) {
            next if $line =~ /^<!-- docs: .* -->$/;
            $line =~ s/(!?)\[([^\]]*)\]\(([^)\s]+)\)/link_in($package, $1, $2, $3)/ge if $guide =~ /\.md$/;
            print {$out} $line;
        }
        close $out or die "$folder/$guide: $!\n";
    }
}
