"""One file from which the service can be built again elsewhere: how it is made, proved and put back."""
